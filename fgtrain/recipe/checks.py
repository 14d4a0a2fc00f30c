"""What the schema cannot see: values that are each allowed but impossible together."""

from .adapter_checks import adapters
from .from_elsewhere import network_problems, texts_of_several_lines
from .keys import START
from .model_schema import PARTS
from .name_checks import names
from .objective_schema import WITHOUT_TOKENS
from .problems import TWICE, Found, Key, Problem, instead
from .replay import replay_problems
from .schema import Recipe
from .stage_checks import stages

OPEN_WORLD = "frow"  # the benchmark whose answers a judge reads


def check(recipe: Recipe, damaged: set[Key]) -> list[Problem]:
    """Problems across keys. `damaged`: keys whose value is already known to be wrong (a stand-in takes its place)."""
    found = [*_model(recipe), *_data(recipe), *replay_problems(recipe), *_devices(recipe), *stages(recipe)]
    found += [*_evaluation(recipe), *adapters(recipe), *names(recipe), *network_problems(recipe)]
    found += texts_of_several_lines(recipe)
    return [problem for problem, needs in found if not any(_touches(key, damaged) for key in needs)]


def _touches(key: Key, damaged: set[Key]) -> bool:
    """Is something at, around or inside `key` damaged?"""
    return any(key[: len(bad)] == bad[: len(key)] for bad in damaged)


def _model(recipe: Recipe) -> Found:
    model = recipe.model
    keys: list[Key] = [("model", part) for part in ("checkpoint", *PARTS)]
    given = [part for part in PARTS if getattr(model, part) is not None]
    if model.checkpoint is not None and given:
        text = f"is {model.checkpoint}, but {', '.join(given)} {'are' if len(given) > 1 else 'is'} given too. "
        text += "A model is either a released checkpoint or composed of parts: set the other to null"
        yield Problem(("model", "checkpoint"), text), keys
    elif model.checkpoint is None and not given:
        text = f"names no model. Give checkpoint (a released LVLM), or {', '.join(PARTS)}"
        yield Problem(("model",), text), keys
    elif model.checkpoint is None:
        for part in PARTS:
            if part not in given:
                yield Problem(("model", part), "is missing. A composed model has " + ", ".join(PARTS)), keys
    if model.checkpoint is None and model.max_pixels is not None:
        text = f"is {model.max_pixels}, but a composed model resizes pictures to image_size. Write max_pixels: null"
        yield Problem(("model", "max_pixels"), text), [("model", "max_pixels"), ("model", "checkpoint")]
    most = model.max_tiles or 1
    tiles_with_thumbnail = most + (most > 1)
    tokens = (model.image_tokens or 0) * tiles_with_thumbnail
    if tokens and model.max_tokens <= tokens:
        tiles = f" ({model.image_tokens} x {tiles_with_thumbnail} tiles)" if most > 1 else ""
        text = f"is {model.max_tokens}, which leaves no room for text beside {tokens} image tokens{tiles}"
        sizes: list[Key] = [("model", key) for key in ("max_tokens", "image_tokens", "max_tiles")]
        yield Problem(("model", "max_tokens"), text), sizes
    if recipe.devices.pack_tokens is not None and recipe.devices.pack_tokens < model.max_tokens:
        text = f"is {recipe.devices.pack_tokens}, but a sample may have {model.max_tokens} (model.max_tokens). "
        text += f"Write {model.max_tokens} or more, or leave it out"
        yield Problem(("devices", "pack_tokens"), text), [("devices", "pack_tokens"), ("model", "max_tokens")]


def _data(recipe: Recipe) -> Found:
    for name, data_set in recipe.data.items():
        key: Key = ("data", name)
        needs: list[Key] = [(*key, "what"), (*key, "path")]
        if data_set.what is not None and data_set.path is not None:
            text = f"has both what ({data_set.what}) and path ({data_set.path}). "
            yield Problem(key, text + "It is either built or lies there: set one of them to null"), needs
        elif data_set.what is None and data_set.path is None:
            text = "says neither what builds it nor where it lies. Give what: BUILDER or path: FOLDER"
            yield Problem(key, text), needs
        elif data_set.what is None and (data_set.root is not None or data_set.options):
            text = "has a path and a builder's root or options. A set that lies at a path is not built: remove them"
            yield Problem(key, text), needs
        if (row := data_set.expected) is not None and row.learnt_tokens > row.text_tokens:
            text = f"is {row.learnt_tokens}, more than all text of a row ({row.text_tokens} text_tokens)"
            yield Problem((*key, "expected", "learnt_tokens"), text), [(*key, "expected")]


def _devices(recipe: Recipe) -> Found:
    devices = recipe.devices
    if devices.strategy == "single" and devices.world_size > 1:
        text = f"is single, but there are {devices.count} devices on each of {devices.nodes} nodes. Write ddp, or auto"
        keys: list[Key] = [("devices", key) for key in ("strategy", "count", "nodes")]
        yield Problem(("devices", "strategy"), text), keys
    kernels: list[Key] = [("devices", key) for key in ("layer_kernels", "strategy", "accelerator")]
    if devices.layer_kernels == "compile" and devices.strategy == "deepspeed_stage_3":
        text = "is compile, but under deepspeed_stage_3 each part gathers its weights as it is called, which cannot be "
        yield Problem(("devices", "layer_kernels"), text + "compiled. Write liger or torch, or strategy: fsdp"), kernels
    if devices.layer_kernels == "liger" and devices.accelerator == "cpu":
        text = "is liger, whose kernels run on GPUs alone, but devices.accelerator is cpu. Write compile, or torch"
        yield Problem(("devices", "layer_kernels"), text), kernels
    attention: list[Key] = [("devices", key) for key in ("attention", "accelerator", "precision")]
    if devices.attention in ("varlen", "flex") and devices.accelerator == "cpu":
        text = f"is {devices.attention}, which runs on GPUs alone, but devices.accelerator is cpu. Write auto, or sdpa"
        yield Problem(("devices", "attention"), text), attention
    elif devices.attention == "varlen" and devices.precision != "bf16":
        text = f"is varlen, which knows no {devices.precision}. Write auto or sdpa, or precision: bf16"
        yield Problem(("devices", "attention"), text), attention
    shards = {"optimizer": ("deepspeed_stage_1", "deepspeed_stage_2", "deepspeed_stage_3")}
    shards["parameters"] = ("deepspeed_stage_3", "fsdp")
    if devices.offload is not None and devices.strategy not in (able := shards[devices.offload]):
        text = f"is {devices.offload}, but devices.strategy is {devices.strategy}, which does not move them. "
        text += f"Write devices.strategy: {' or '.join(able)}, or offload: null"
        yield Problem(("devices", "offload"), text), [("devices", "offload"), ("devices", "strategy")]


def _evaluation(recipe: Recipe) -> Found:
    yield from _checkpoints(recipe, ("evaluation", "at"), recipe.evaluation.at)
    yield from _features(recipe)
    yield from _judge(recipe)
    yield from _recovery(recipe)


def _checkpoints(recipe: Recipe, place: Key, names: tuple[str, ...]) -> Found:
    """Problems of a list of checkpoints."""
    known = [START, *recipe.enabled_stages]
    for index, name in enumerate(names):
        if name in known:
            continue
        if name in recipe.stages:
            left = ", ".join(other for other in names if other in known)
            text = f"is {name}, a stage that is switched off. Write {'.'.join(map(str, place))}: [{left}]"
        else:
            text = f"is {name}, which is neither {START} nor an enabled stage. {instead(name, known)}"
        yield Problem((*place, index), text), [("stages", name, "enabled"), place]


def _features(recipe: Recipe) -> Found:
    features, place = recipe.evaluation.features, ("evaluation", "features")
    if features is None:
        return
    yield from _checkpoints(recipe, (*place, "at"), features.at or ())
    for key, example in (("sources", "- {source: cub, root: DIR}"), ("parts", "encoder"), ("measures", "knn")):
        if not getattr(features, key):
            yield Problem((*place, key), f"is empty: nothing is measured. For example {key}: [{example}]"), [place]
    if not features.protocols:
        yield Problem((*place, "protocols"), "is empty. For example protocols: [default]"), [place]
    if features.attack_images is not None and "robustness" not in features.measures:
        text = f"is {features.attack_images}, but measures does not name robustness: nothing is attacked. "
        yield Problem((*place, "attack_images"), text + "Add robustness there, or leave it out"), [place]


def _judge(recipe: Recipe) -> Found:
    judge, place = recipe.evaluation.judge, ("evaluation", "judge")
    if judge is None:
        return
    if judge.own is not None:
        from evaluation.judging.own import missing

        if wrong := missing(judge.own):
            yield Problem((*place, "own"), wrong), [(*place, "own")]
    elif judge.options:
        yield Problem((*place, "options"), "are options of a judge of your own. Name it: own: NAME"), [place]
    if not recipe.network and judge.own is None:
        text = f"asks {judge.base_url or 'an endpoint'}, but network is false and nothing may be sent. Add network=true"
        yield Problem(place, f"{text} to the command, or evaluation.judge=null"), [("network",), place]
    asked = recipe.evaluation.at
    for index, name in enumerate(judge.at or ()):
        if name not in asked:
            text = f"is {name}, whose answers there are none of: it is not in evaluation.at. {instead(name, asked)}"
            yield Problem((*place, "at", index), text), [("evaluation", "at"), (*place, "at")]
    for index, name in enumerate(judge.tasks):
        key: Key = (*place, "tasks", index)
        if name.partition("/")[0] != OPEN_WORLD:
            yield Problem(key, f"is {name}; only answers to {OPEN_WORLD} are judged. Write tasks: [frow]"), [key]
        elif not {name, OPEN_WORLD}.intersection(recipe.evaluation.tasks):
            text = f"is {name}, which evaluation.tasks does not ask. Add {name} there"
            yield Problem(key, text), [key, ("evaluation", "tasks")]
    if not judge.tasks:
        yield Problem((*place, "tasks"), "is empty: nothing is judged. Write tasks: [frow]"), [place]


def _recovery(recipe: Recipe) -> Found:
    recovery, place = recipe.evaluation.recovery, ("evaluation", "recovery")
    if recovery is None:
        return
    able = [name for name, stage in recipe.training_stages.items() if stage.objective not in WITHOUT_TOKENS]
    for index, name in enumerate(recovery.at):
        if name not in able or name in recovery.at[:index]:
            why = f"is no enabled stage that trains on answers. {instead(name, able)}"
            text = f"names {name}, which {why if name not in able else TWICE}"
            yield Problem((*place, "at", index), text), [("stages", name), (*place, "at")]
    for index, name in enumerate(recovery.on):
        if name not in recipe.mixed_data or name in recovery.on[:index]:
            why = f"no enabled stage mixes: nothing old. {instead(name, recipe.mixed_data)}"
            text = f"names {name}, which {why if name not in recipe.mixed_data else TWICE}"
            yield Problem((*place, "on", index), text), [("stages",), (*place, "on")]
    if not recipe.evaluation.tasks:
        text = "asks evaluation.tasks again, which names none. Name general ones there"
        yield Problem(place, text), [place, ("evaluation", "tasks")]
