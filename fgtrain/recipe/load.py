"""Reads a recipe file: the chain of `extends`, the command line on top, every mistake in one message."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fgtrain.errors import UserError
from fgtrain.shipped import SHIPPED, hint

from .merge import COMMAND_LINE, apply_override, merge
from .problems import Key, Place, Problem, nearest, raise_problems
from .schema import Recipe
from .validate import validate
from .yaml_reader import Source, read_yaml

SCHEMA_KEYS = list(Recipe.model_fields)
LISTED = 20  # recipes that one message names


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe at `path` (looked for here, then beside the package), with `key=value` overrides laid over it.

    Raises one UserError that lists every mistake of the file, of those it extends and of the overrides.
    """
    file = find_recipe(path)
    values, places, problems = read_chain(file)
    if not isinstance(values, dict) or any(one.key == ("extends",) for one in problems):
        raise_problems(shown(file), problems)  # what stands in a file that cannot be read is not known
        raise UserError(
            f"recipe {shown(file)} is empty. A recipe has at least name, model, data and stages{others_near(file)}"
        )
    for text in overrides:
        values, key, wrong = apply_override(values, text, SCHEMA_KEYS)
        problems += wrong
        if key:
            places = placed(places, key, COMMAND_LINE)
    recipe, wrong = validate(values)
    told = {one.key for one in problems}
    problems += [Problem(p.key, p.text, place_of(p.key, places)) for p in wrong if p.key not in told]
    raise_problems(shown(file), problems)
    if recipe is None:
        raise AssertionError("no recipe and no problem")
    return recipe


def find_recipe(path: str | Path) -> Path:
    """The recipe's file. UserError with the recipes nearby when there is none."""
    path = Path(path).expanduser()
    places = [path] if path.is_absolute() else [path, SHIPPED / path]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        near = others_near(path)
        raise UserError(f"no recipe {path}{'.' if not near else f'{near}.'} {hint(str(path))}")
    if found.is_dir():
        raise UserError(f"recipe {path} is a folder{others_near(found / 'x')}")
    if not found.is_file():
        raise UserError(f"recipe {path} is not a regular file{others_near(found)}")
    return found


def shown(path: Path) -> str:
    """The path as a person would type it here."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return str(path) if relative.startswith("..") else relative


def others_near(path: Path) -> str:
    """Which recipes lie beside `path` (or in recipes/, when that folder holds none), the nearest name first."""
    for folder in (path.parent, Path("recipes")):
        recipes = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]) if folder.is_dir() else []
        recipes = [recipe for recipe in recipes if recipe != path]
        if recipes:
            near = nearest(path.stem, [recipe.stem for recipe in recipes])
            lead = ""
            if near is not None:
                lead = f" Did you mean {shown(next(recipe for recipe in recipes if recipe.stem == near))}?"
            listed = ", ".join(recipe.name for recipe in recipes[:LISTED])
            more = f" and {len(recipes) - LISTED} more" if len(recipes) > LISTED else ""
            return f".{lead} Recipes in {shown(recipes[0].parent)}: {listed}{more}"
    return ""


def read_chain(file: Path) -> tuple[Any, dict[Key, Place], list[Problem]]:
    """The values of `file` laid over those it extends, the place of each key, and what is wrong with the files.

    Nothing is checked against the schema of a recipe.
    """
    sources: list[Source] = []
    visited: list[Path] = []
    problems: list[Problem] = []
    while True:
        source = read_yaml(file, shown(file))
        visited.append(file.resolve())
        problems += source.problems
        if source.values is not None and not isinstance(source.values, dict):
            problems.append(Problem((), "must be a mapping (key: value), not a list or a text", Place(shown(file))))
            source.values = None
        sources.append(source)
        parent = source.values.pop("extends", None) if source.values else None
        if parent is None:
            break
        place = source.places.get(("extends",))
        if not isinstance(parent, str):
            problems.append(Problem(("extends",), f"is {parent!r}, must be the name of one file", place))
            break
        file = file.parent / Path(parent).expanduser()
        if not file.is_file():
            problems.append(Problem(("extends",), f"names {parent}, which does not exist{others_near(file)}", place))
            break
        if file.resolve() in visited:
            circle = " -> ".join(p.name for p in [*visited[visited.index(file.resolve()) :], file.resolve()])
            problems.append(Problem(("extends",), f"goes round in a circle: {circle}", place))
            break
    values: Any = None
    places: dict[Key, Place] = {}
    for source in reversed(sources):
        if source.values is not None:
            values = merge(values, source.values)
            places |= source.places
    return values, places, problems


def placed(places: dict[Key, Place], key: Key, place: Place) -> dict[Key, Place]:
    """`places` after `key` was set at `place`, and with it what is around it and was not there."""
    around = {key[:length]: place for length in range(1, len(key))}
    return around | {k: p for k, p in places.items() if k[: len(key)] != key} | {key: place}


def place_of(key: Sequence[str | int], places: dict[Key, Place]) -> Place | None:
    """Where the key, or the nearest thing around it, was written."""
    for length in range(len(key), 0, -1):
        if (place := places.get(tuple(key[:length]))) is not None:
            return place
    return None
