"""What is impossible together in a stage, and between stages."""

from evaluation.shared.sweeps import beside, is_swept

from .best_stage import BestStage
from .keys import START
from .merge_stage import MergeStage
from .model_schema import PARTS
from .objective_schema import AUXILIARY, OWN, OptimizerChoice, known_additions, known_objectives
from .preference_checks import preference
from .problems import TWICE, Found, Key, Problem, instead
from .rollout_checks import rollouts
from .schema import Recipe
from .stage_schema import Stage

SETTING_OF = {"betas": "adamw", "momentum": "sgd"}  # setting of an optimizer -> the one that has it


def stages(recipe: Recipe) -> Found:
    devices = recipe.devices
    together = devices.per_device_batch_size * devices.world_size
    counts: list[Key] = [("devices", key) for key in ("per_device_batch_size", "count", "nodes")]
    for name, stage in recipe.stages.items():
        key: Key = ("stages", name)
        for data_set in stage.mix:
            if data_set not in recipe.data:
                text = f"names a data set that `data` does not declare. {instead(data_set, recipe.data)}"
                yield Problem((*key, "mix", data_set), text), [("data", data_set), (*key, "mix", data_set)]
        if not stage.enabled:
            continue
        yield from _places(recipe, name)
        if not isinstance(stage, Stage):
            continue
        if not stage.mix:
            text = (
                f"is empty: the stage has nothing to learn from. {_declared(recipe)}, or switch it off: enabled: false"
            )
            yield Problem((*key, "mix"), text), [(*key, "mix")]
        if not stage.train:
            text = f"is empty: the stage trains nothing. Name a part and its learning rate ({', '.join(PARTS)}), "
            yield Problem((*key, "train"), text + "or switch the stage off: enabled: false"), [(*key, "train")]
        for data_set in stage.augment if isinstance(stage.augment, dict) else ():
            if data_set not in stage.mix:
                text = f"is no data set of this stage's mix. {instead(data_set, stage.mix)}"
                yield Problem((*key, "augment", data_set), text), [(*key, "mix"), (*key, "augment", data_set)]
        yield from _loss(recipe, name, stage)
        if stage.keep is not None:
            yield from _keep(recipe, name, stage)
        yield from rollouts(recipe, name, stage)
        yield from preference(name, stage)
        if stage.objective == "heads" and stage.train and set(stage.train) != {"vision_encoder"}:
            text = f"names {', '.join(stage.train)}. Objective heads trains the vision_encoder and nothing else"
            yield Problem((*key, "train"), text), [(*key, "train"), (*key, "objective")]
        yield from _watched(recipe, name)
        for place, part in enumerate(stage.ema.parts or () if stage.ema else ()):
            if part not in stage.train:
                text = f"is {part}, which the stage does not train. {instead(part, stage.train)}"
                yield Problem((*key, "ema", "parts", place), text), [(*key, "train"), (*key, "ema", "parts", place)]
        if stage.ema and stage.objective == "heads":
            text = "averages weights, which objective heads does not do. Leave it out"
            yield Problem((*key, "ema"), text), [(*key, "ema"), (*key, "objective")]
        if stage.global_batch_size % together:
            text = f"is {stage.global_batch_size}, not a multiple of {together} ({_product(recipe)}). "
            text += f"Nearest that {_multiples(stage.global_batch_size, together)}"
            yield Problem((*key, "global_batch_size"), text), [*counts, (*key, "global_batch_size")]


def _loss(recipe: Recipe, name: str, stage: Stage) -> Found:
    """Problems of what the stage minimises, and of its optimizer."""
    key: Key = ("stages", name)
    if stage.objective not in known_objectives():
        text = f"is {stage.objective}, which is none. {instead(stage.objective, known_objectives())}"
        yield Problem((*key, "objective"), text), [(*key, "objective")]
    for added in stage.auxiliary:
        if added not in known_additions():
            text = f"is nothing that can be added to an objective. {instead(added, known_additions())}"
            yield Problem((*key, "auxiliary", added), text), [(*key, "auxiliary", added)]
    for_eyes = [added for added, weight in stage.auxiliary.items() if added in AUXILIARY and weight]
    if for_eyes and not {"vision_encoder", "projector"} & set(stage.train):
        text = "is for image tokens, but neither projector nor vision_encoder learns here. Leave it out, or name one"
        yield Problem((*key, "auxiliary", for_eyes[0]), text), [(*key, "train"), (*key, "auxiliary", for_eyes[0])]
    if "patch_align" in for_eyes and "vision_encoder" in stage.train:
        text = "holds image tokens to the vision encoder's features, which must not learn. Write supcon, or freeze it"
        yield Problem((*key, "auxiliary", "patch_align"), text), [(*key, "train"), (*key, "auxiliary", "patch_align")]
    for own in stage.options:
        if own not in OWN.installed() or own not in (stage.objective, *stage.auxiliary):
            text = "are options of nothing that this stage uses. They are for objectives and additions of your own"
            yield Problem((*key, "options", own), text), [(*key, "options", own)]
    if stage.objective == "heads" and (stage.auxiliary or stage.optimizer or stage.keep):
        text = "is heads, to which nothing is added, and which has its own optimizer. "
        text += "Leave auxiliary, keep and optimizer out"
        yield (
            Problem((*key, "objective"), text),
            [(*key, one) for one in ("objective", "auxiliary", "keep", "optimizer")],
        )
    for setting, name_of in SETTING_OF.items() if stage.optimizer is not None else ():
        default = OptimizerChoice.model_fields[setting].default
        if stage.optimizer.name != name_of and getattr(stage.optimizer, setting) != default:
            text = f"is a setting of {name_of}, and the stage's optimizer is {stage.optimizer.name}. Leave it out, or "
            yield Problem((*key, "optimizer", setting), f"{text}write name: {name_of}"), [(*key, "optimizer")]
    if (
        stage.optimizer is not None
        and stage.optimizer.name == "sgd"
        and recipe.devices.strategy.startswith("deepspeed")
    ):
        text = "is sgd, which DeepSpeed's ZeRO does not take. Write adamw, or devices.strategy: fsdp"
        yield Problem((*key, "optimizer", "name"), text), [("devices", "strategy"), (*key, "optimizer", "name")]


def _watched(recipe: Recipe, name: str) -> Found:
    """Problems of a stage that a subset decides about while it trains."""
    stage, evaluation = recipe.stages[name], recipe.evaluation
    for word in ("stop_when", "keep_best"):
        if getattr(stage, word) is None:
            continue
        place: Key = ("stages", name, word)
        if stage.objective == "heads":
            text = "looks at answers, and a stage of objective heads has none. Remove it"
            yield Problem(place, text), [place, ("stages", name, "objective")]
        if evaluation.every_steps is None:
            text = "looks at the subset in between, which is asked every evaluation.every_steps: it is null. "
            text += "Write every_steps: 500 there, say"
            yield Problem(place, text), [place, ("evaluation", "every_steps")]
        elif not evaluation.tasks:
            text = "looks at answers to evaluation.tasks, which names none. Name general and fine-grained ones"
            yield Problem(place, text), [place, ("evaluation", "tasks")]


def _keep(recipe: Recipe, name: str, stage: Stage) -> Found:
    """Problems of what the stage is held near to."""
    key: Key = ("stages", name, "keep")
    enabled = list(recipe.enabled_stages)
    before = [START, *enabled[: enabled.index(name)]]
    if stage.keep.to is not None and stage.keep.to not in before:
        text = f"is {stage.keep.to}, which is no checkpoint before {name}. {instead(stage.keep.to, before)}"
        yield Problem((*key, "to"), text), [("stages", stage.keep.to, "enabled"), (*key, "to")]
    for place, data_set in enumerate(stage.keep.on or ()):
        if data_set not in stage.mix or data_set in stage.keep.on[:place]:
            why = f"is no data set of this stage's mix. {instead(data_set, stage.mix)}"
            text = f"names {data_set}, which {why if data_set not in stage.mix else TWICE}"
            yield Problem((*key, "on", place), text), [("stages", name, "mix"), (*key, "on")]
    if stage.keep.on == ():
        text = "is empty: the stage would be kept on nothing. Name data sets of its mix, or leave it out for all"
        yield Problem((*key, "on"), text), [(*key, "on")]
    if stage.keep.kl and recipe.devices.strategy not in ("auto", "single", "ddp"):
        text = f"needs the checkpoint's whole weights on each device, and {recipe.devices.strategy} deals them out. "
        text += "Write devices.strategy: auto, where LoRA (train.PART.lora) holds nothing twice; or leave keep out"
        yield Problem((*key, "kl"), text), [("devices", "strategy"), (*key, "kl")]


def _places(recipe: Recipe, name: str) -> Found:
    """Problems of the checkpoints that a stage starts from and averages."""
    stage, key = recipe.stages[name], ("stages", name)
    enabled = list(recipe.enabled_stages)
    before = [START, *enabled[: enabled.index(name)]]
    if isinstance(stage, BestStage):
        keeping = [one for one in before[1:] if getattr(recipe.stages[one], "keep_best", None) is not None]
        if stage.best_of not in keeping:
            text = f"is {stage.best_of}, which is no stage before {name} that keeps its best checkpoint (keep_best). "
            needs: list[Key] = [("stages", stage.best_of), (*key, "best_of")]
            yield Problem((*key, "best_of"), text + instead(stage.best_of, keeping)), needs
        return
    if stage.after is None and is_swept(before[-1]):
        several = ", ".join(one for one in before if one == before[-1] or beside(one, before[-1]))
        text = f"is missing, and the stage before is several: {several}. Write after: {before[-1]}"
        yield Problem((*key, "after"), text), [(*key, "after")]
    if stage.after is not None and stage.after not in before:
        text = f"is {stage.after}, which is no checkpoint before {name}. {instead(stage.after, before)}"
        yield Problem((*key, "after"), text), [("stages", stage.after, "enabled"), (*key, "after")]
    if not isinstance(stage, MergeStage):
        return
    first = stage.after or before[-1]
    for other in stage.merge:
        place: Key = (*key, "merge", other)
        if other not in (*before, *stage.runs):
            text = f"names {other}, which is no checkpoint before {name}. {instead(other, before)}"
            yield Problem(place, text), [("stages", other, "enabled"), place]
        elif other == first:
            text = f"names {other}, which the stage starts from: it has what the others leave of 1. Name the others"
            yield Problem(place, text), [place, (*key, "after")]
    if given := {part: 1 - stage.left(part) for part in PARTS if stage.left(part) < -1e-9}:
        shares = ", ".join(f"{part} {share:g}" for part, share in given.items())
        text = f"gives more than 1 in all: {shares}. Shares come to 1 at most; {first} has the rest"
        yield Problem((*key, "merge"), text), [(*key, "merge")]


def _declared(recipe: Recipe) -> str:
    if not recipe.data:
        return "Declare data sets under `data` and name them here"
    return f"Name data sets and their passes (declared: {', '.join(recipe.data)})"


def _product(recipe: Recipe) -> str:
    devices = recipe.devices
    text = f"{devices.per_device_batch_size} per device x {devices.count} device{'s' * (devices.count > 1)}"
    return f"{text} x {devices.nodes} nodes" if devices.nodes > 1 else text


def _multiples(value: int, step: int) -> str:
    below = value // step * step
    found = [str(multiple) for multiple in (below, below + step) if multiple]
    return f"{'are' if len(found) > 1 else 'is'}: {', '.join(found)}"
