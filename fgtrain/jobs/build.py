"""Builds one data set or one set of question files that a recipe names. Needs no model."""

from pathlib import Path
from typing import Any

from data_builders.build import BUILDERS, build, command_line, find_builder, same_build
from data_builders.options import parse_options
from evaluation.tasks.task_files import all_specs, selects
from fgtrain.errors import UserError
from fgtrain.plan.built_sets import SAMPLE_TEXT
from fgtrain.processes import Group
from fgtrain.recipe import REPLAY, Prepare, Recipe


def build_data_set(
    recipe: Recipe | None, group: Group, place: str, what: str, root: str | None, out: str, options: dict[str, Any]
) -> None:
    """Run the builder; what is there already and whole is left alone. `place`: the recipe's key, for messages.

    UserError with the command that builds what is missing, or for a folder that was built otherwise.
    """
    folder = Path(root) if root is not None else None
    if folder is not None and not folder.exists() and not (Path(out) / "manifest.json").exists():
        raise UserError(
            f"{place}: there is no {folder}. Put the data set there as it is downloaded, or name its place "
            f"(data_root=DIR). Then this builds it: {command_line(what, folder, Path(out), options)}"
        )
    try:
        build(what, root=folder, out=Path(out), options=options)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None


def builds(recipe: Recipe) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(what is built first and in this order, what is built from it): arguments of `build_data_set`.

    UserError for a placeholder without a value, or a training set that is not there and that
    nobody builds.
    """
    first = []
    for index, item in enumerate(recipe.prepare):
        place = f"prepare.{index}"
        if not asked_for(recipe, item):
            continue
        out = recipe.path(item.out, f"{place}.out")
        first.append(_arguments(recipe, place, item.what, item.root, out, item.options))
    then = []
    lists = [name for name in recipe.evaluation.held_out or () if name in recipe.data]
    asked = [name for name, one in recipe.data.items() if "heldout" in one.options and asks(recipe, "heldout", name)]
    for name in dict.fromkeys([*recipe.mixed_data, *lists, *asked]):
        data_set, place = recipe.data[name], f"data.{name}"
        if data_set.what is not None and data_set.what not in (SAMPLE_TEXT, REPLAY):
            folder = recipe.data_folder(name)
            then.append(_arguments(recipe, place, data_set.what, data_set.root, folder, data_set.options))
        elif data_set.what is None and not recipe.prepare:
            refuse_missing(recipe, name)
    return first, then


def asked_for(recipe: Recipe, item: Prepare) -> bool:
    """Is it needed? A general benchmark that no entry of `evaluation.tasks` means, and no data set is compared with, is
    not: one need not have downloaded it."""
    spec = all_specs().get(str(item.options.get("benchmark"))) if item.what == "general" else None
    if spec is None or any("against" in recipe.data[name].options for name in recipe.mixed_data):
        return True
    return any(selects(task, spec, spec.task) for task in recipe.evaluation.tasks)


def sampled(recipe: Recipe) -> list[str]:
    """The data sets that the language model writes: those that are mixed, and those whose held-out part is asked, which
    an arm of a study may be without training on any of it."""
    own = [name for name, data_set in recipe.data.items() if data_set.what == SAMPLE_TEXT]
    return [name for name in own if name in recipe.mixed_data or asks(recipe, "perplexity", name)]


def asks(recipe: Recipe, task: str, data_set: str) -> bool:
    """Is `task` asked with what is held out of that data set?"""
    spec = all_specs()[task]
    return any(selects(one, spec, spec.task.format(dataset=data_set)) for one in recipe.evaluation.tasks)


def refuse_missing(recipe: Recipe, name: str) -> None:
    """UserError when the training set is not there."""
    folder = recipe.data_folder(name)
    if not (folder / "manifest.json").is_file():
        known = ", ".join(BUILDERS)
        raise UserError(
            f"data.{name}: no manifest at {folder}. Build it: python -m data_builders WHAT --root DIR --out {folder} "
            f"(WHAT: {known}), or correct the path"
        )


def _arguments(
    recipe: Recipe, place: str, what: str, root: str | None, out: Path, options: dict[str, Any]
) -> dict[str, Any]:
    return {
        "place": place,
        "what": what,
        "root": str(recipe.path(root, f"{place}.root")) if root is not None else None,
        "out": str(out),
        "options": recipe.filled(options, f"{place}.options"),
    }


def refuse_wrong_options(recipe: Recipe) -> None:
    """UserError for an option that its builder does not take, whatever data is here."""
    items = [(f"prepare.{place}", item.what, item.options) for place, item in enumerate(recipe.prepare)]
    mixed = {name: recipe.data[name] for name in recipe.mixed_data}
    items += [(f"data.{name}", one.what, one.options) for name, one in mixed.items() if one.what in BUILDERS]
    for place, what, options in items:
        try:
            parse_options(find_builder(what).options, options, what)
        except UserError as error:
            raise UserError(f"{place}.options: {error}") from None


def built(arguments: dict[str, Any]) -> bool:
    """Would `build_data_set` find everything there already? UserError for options that the builder does not know."""
    root = Path(arguments["root"]) if arguments["root"] is not None else None
    try:
        return same_build(Path(arguments["out"]), arguments["what"], arguments["options"], root)
    except UserError as error:
        raise UserError(f"{arguments['place']}: {error}") from None
