"""From a study file's base, changes, arms and grid to the values of every arm, each knowing where it was written."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from .load import SCHEMA_KEYS, place_of, placed
from .merge import COMMAND_LINE, apply_override, set_dotted
from .problems import Key, Place, Problem
from .schema import Recipe
from .study_schema import StudyFile
from .validate import validate

OWN_KEYS = {  # of a recipe, which a study gives itself
    "name": "A run's name follows from study, arm and seed. Leave it out",
    "seed": "Seeds are the study's: write seeds: [17, 18, 19] beside arms",
}


@dataclass(frozen=True)
class Layer:
    """Changes that stand together in the study file."""

    section: Key  # ("arms", "early"); as a problem's key begins
    changes: dict[str, Any]
    written: dict[str, Key] = field(
        default_factory=dict
    )  # change -> its key in the file, where that is not section + it

    def key(self, change: str) -> Key:
        return self.written.get(change, (*self.section, change))


@dataclass(frozen=True)
class ArmValues:
    """A recipe's plain values, where each was written, and in which section of the study file, if it was there."""

    values: dict
    places: dict[Key, Place]
    sections: dict[Key, Key] = field(default_factory=dict)

    def with_layer(self, layer: Layer, written: dict[Key, Place]) -> tuple["ArmValues", list[Problem]]:
        """Laid over, and what is wrong with the names of the changes. `written`: places in the study file."""
        values, places, sections = self.values, dict(self.places), dict(self.sections)
        problems: list[Problem] = []
        for name, value in layer.changes.items():
            start = layer.key(name)
            place = place_of(start, written)
            if name in OWN_KEYS:
                problems.append(Problem((*layer.section, name), f"is no change of an arm. {OWN_KEYS[name]}", place))
                continue
            values, key, wrong = set_dotted(values, name, value, SCHEMA_KEYS, place)
            problems += [replace(problem, key=(*layer.section, *problem.key)) for problem in wrong]
            if not wrong:
                inner = {key + k[len(start) :]: p for k, p in written.items() if k[: len(start)] == start}
                new = {} if place is None else {key[:n]: place for n in range(1, len(key)) if key[:n] not in places}
                places |= new | inner
                sections |= dict.fromkeys([*new, *inner], layer.section)
        return ArmValues(values, places, sections), problems

    def with_override(self, text: str) -> tuple["ArmValues", list[Problem]]:
        """One `key=value` of the command line laid over."""
        values, key, problems = apply_override(self.values, text, SCHEMA_KEYS)
        if not key:
            return self, problems
        places = placed(self.places, key, COMMAND_LINE)
        sections = {k: s for k, s in self.sections.items() if k[: len(key)] != key}
        return ArmValues(values, places, sections), problems

    def recipe(self, name: str) -> tuple[Recipe | None, list[Problem]]:
        """The recipe under this name, or None and what is wrong with it."""
        recipe, wrong = validate(self.values | {"name": name})
        return recipe, [self._placed(problem) for problem in wrong]

    def _placed(self, problem: Problem) -> Problem:
        """As it stands in the study file, where what it is about was written there."""
        around = (problem.key[:length] for length in range(len(problem.key), 0, -1))
        key = next((key for key in around if key in self.places), None)
        if key is None:
            return problem
        return Problem((*self.sections.get(key, ()), *problem.key), problem.text, self.places[key])


def grid_layers(grid: dict[str, tuple[Any, ...]]) -> list[tuple[str, Layer]]:
    """Every point of the grid: (what it adds to an arm's name, its changes). One empty point where there is no grid."""
    tails = _short_keys(list(grid))
    labels = {key: _labels(values) for key, values in grid.items()}
    points = []
    for chosen in itertools.product(*(range(len(values)) for values in grid.values())):
        at = dict(zip(grid, chosen, strict=True))
        suffix = "-".join(f"{tails[key]}_{labels[key][index]}" for key, index in at.items())
        changes = {key: grid[key][index] for key, index in at.items()}
        points.append((suffix, Layer(("grid",), changes, {key: ("grid", key, index) for key, index in at.items()})))
    return points


def arm_name(arm: str, suffix: str) -> str:
    return "-".join(part for part in (arm, suffix) if part)


def _short_keys(keys: list[str]) -> dict[str, str]:
    """Of each dotted key as few of its last parts as tell it from the others."""
    short = {}
    for key in keys:
        parts = key.split(".")
        tails = [".".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        short[key] = _as_name(
            next((t for t in tails if not any(("." + other).endswith("." + t) for other in keys if other != key)), key)
        )
    return short


def _labels(values: tuple[Any, ...]) -> list[str]:
    """A name for each value: itself where that is short, else its number from 1."""
    labels = [_label(value) for value in values]
    if None in labels or len({str(label).casefold() for label in labels}) < len(labels):
        return [str(number) for number in range(1, len(values) + 1)]
    return [str(label) for label in labels]


def _label(value: Any) -> str | None:
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int() | str():
            text = str(value)
        case float():
            text = f"{value:g}"
        case _:
            return None
    return _as_name(text) if 0 < len(text) <= 32 else None


def _as_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)


def set_twice(study: StudyFile, written: dict[Key, Place]) -> Iterator[Problem]:
    """Keys that an arm and the grid both set, or that one arm sets twice: one would overwrite the other unseen."""
    for key in study.grid:
        for arm, changes in study.arms.items():
            for name, value in changes.items():
                if any(_overlap(leaf, key) for leaf in _leaves(name, value)):
                    text = f"is set by grid.{key} as well, and one would overwrite the other. Keep one of them"
                    yield Problem(("arms", arm, name), text, place_of(("arms", arm, name), written))
    for section, changes in (("changes", study.changes), *((f"arms.{arm}", c) for arm, c in study.arms.items())):
        leaves = [(name, leaf) for name, value in changes.items() for leaf in _leaves(name, value)]
        for (first, a), (second, b) in itertools.combinations(leaves, 2):
            if first != second and _overlap(a, b):
                key = (*section.split("."), second)
                text = f"is set by {section}.{first} as well. Keep one of them"
                yield Problem(key, text, place_of(key, written))


def _leaves(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for inner, one in value.items():
            yield from _leaves(f"{name}.{inner}", one)
    else:
        yield name


def _overlap(a: str, b: str) -> bool:
    """Is one dotted key the other, or within it?"""
    return f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.")
