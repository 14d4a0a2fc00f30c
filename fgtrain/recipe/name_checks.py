"""Names that mean nothing, or two things at once: stages, data sets, tasks, checkpoints, builders, folders."""

import re
from collections.abc import Iterable, Iterator

from data_builders.builder_code import BUILDERS
from evaluation.tasks.task_files import all_specs, could_select

from .keys import START
from .problems import Found, Key, Problem, dotted, instead
from .replay import REPLAY
from .schema import PLACEHOLDERS, Recipe

# What a run's folder holds beside a folder a stage.
TAKEN = ("answers", "features", "jobs", "subset", "wandb")
SAMPLE_TEXT = "sample_text"  # the one builder that needs a model, so it is none of data_builders'


def names(recipe: Recipe) -> Found:
    yield from _same_folder(("stages",), recipe.stages)
    yield from _same_folder(("data",), recipe.data)
    for name in recipe.stages:
        if name.casefold() in (START, *TAKEN):
            what = "the checkpoint before any training" if name.casefold() == START else "a folder of every run"
            yield Problem(("stages", name), f"is called as {what} is. Give it another name"), [("stages", name)]
    evaluation = recipe.evaluation
    lists = {"at": evaluation.at, "tasks": evaluation.tasks}
    for key, chosen in lists.items():
        for place, name in enumerate(chosen):
            if name in chosen[:place]:
                text = f"is {name}, as another is. Leave one of them out"
                yield Problem(("evaluation", key, place), text), [("evaluation", key)]
    yield from _builders(recipe)
    yield from _folders(recipe)


def unknown_tasks(recipe: Recipe) -> Iterator[Problem]:
    """What of `evaluation` names tasks that no task file can mean, those of `evaluation.tasks_from` among them."""
    specs, evaluation = all_specs(), recipe.evaluation
    named: list[tuple[str, str | int, str]] = [("tasks", place, name) for place, name in enumerate(evaluation.tasks)]
    named += [(key, name, name) for key in ("groups", "perturb") for name in getattr(evaluation, key)]
    for key, place, name in named:
        if not any(could_select(name, spec) for spec in specs.values()):
            text = f"is {name}, which no task file means. {instead(name, specs)}"
            yield Problem(("evaluation", key, place), text)


def _same_folder(section: Key, chosen: Iterable[str]) -> Found:
    seen: dict[str, str] = {}
    for name in chosen:
        if (other := seen.setdefault(name.casefold(), name)) != name:
            text = f"and {other} would share a folder on some file systems. Rename one"
            yield Problem((*section, name), text), [(*section, name), (*section, other)]


def _builders(recipe: Recipe) -> Found:
    known = (*BUILDERS, SAMPLE_TEXT, REPLAY)
    for name, data_set in recipe.data.items():
        if data_set.what is not None and data_set.what not in known:
            key: Key = ("data", name, "what")
            yield Problem(key, f"is {data_set.what}, which is no builder. {instead(data_set.what, known)}"), [key]
    for place, item in enumerate(recipe.prepare):
        if item.what not in BUILDERS:
            key = ("prepare", place, "what")
            yield Problem(key, f"is {item.what}, which is no builder. {instead(item.what, BUILDERS)}"), [key]


def _places(recipe: Recipe) -> Iterator[tuple[Key, str]]:
    """Every text that may hold a placeholder."""
    for key in ("data_root", "built_root", "runs_root"):
        if (value := getattr(recipe, key)) is not None:
            yield (key,), value
    for key in ("checkpoint", "vision_encoder", "language_model"):
        if (value := getattr(recipe.model, key)) is not None:
            yield ("model", key), value
    for name, data_set in recipe.data.items():
        for key in ("root", "path"):
            if (value := getattr(data_set, key)) is not None:
                yield ("data", name, key), value
        for number, folder in enumerate(data_set.images_in):
            yield ("data", name, "images_in", number), folder
    for index, item in enumerate(recipe.prepare):
        yield ("prepare", index, "out"), item.out
        if item.root is not None:
            yield ("prepare", index, "root"), item.root
    for key in ("data", "tasks_from"):
        for index, folder in enumerate(getattr(recipe.evaluation, key)):
            yield ("evaluation", key, index), folder
    if (features := recipe.evaluation.features) is not None:
        for index, one in enumerate(features.sources):
            yield ("evaluation", "features", "sources", index, "root"), one.root


def _folders(recipe: Recipe) -> Found:
    for key, text in _places(recipe):
        if (variable := re.search(r"\$(\w+|\{\w+\})", text)) is not None:
            how = f"Write it out, or on the command line, where the shell fills it in: {dotted(key)}={text}"
            if len(key) > 1:
                root = PLACEHOLDERS[0]
                how = f"Write it out, or {{{root}}} in its place and {root}={variable[0]} on the command line"
            yield Problem(key, f"is {text}; variables of the environment are not filled in. {how}"), [key]
            continue
        for name in re.findall(r"\{(\w+)\}", text):
            if len(key) == 1:
                yield Problem(key, f"is {text}; a root holds no placeholder itself"), [key]
            elif name not in PLACEHOLDERS:
                yield Problem(key, f"is {text}; {{{name}}} is no placeholder. {instead(name, PLACEHOLDERS)}"), [key]
