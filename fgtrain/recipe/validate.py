"""From plain values to a Recipe, or to every mistake in them at once, in a researcher's words."""

import copy
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fgtrain.errors import UserError

from .checks import check
from .name_checks import unknown_tasks
from .problems import Key, Problem
from .schema import Recipe
from .sentences import described, written_key
from .sweep import as_written, with_sweeps

Schema = TypeVar("Schema", bound=BaseModel)

# What stands in for a required value that is missing or wrong, so that everything else can still be checked.
STAND_INS: dict[str, Any] = {
    "name": "unnamed",
    "model": {},
    "train": {},
    "mix": {},
    "global_batch_size": 1,
    "lr": 1.0,
    "decay": 0.0,
    "what": "unknown",
    "out": "unknown",
    "at": [],
    "evaluation": {},
    "merge": {"start": 1.0},
    "best_of": "unknown",
    "source": "folder",
    "root": "unknown",
    "sources": [],
}


def validate(values: dict) -> tuple[Recipe | None, list[Problem]]:
    """The recipe, or None and what is wrong (places not filled in). Finds schema and cross-key problems together."""
    recipe, problems, damaged = repaired(with_sweeps(values), Recipe)
    if recipe is not None:
        problems += check(recipe, damaged)
        own = _own_tasks(recipe) if recipe.evaluation.tasks_from else []
        if not own and not any(key[:2] in (("evaluation",), ("evaluation", "tasks")) for key in damaged):
            own = list(unknown_tasks(recipe))
        problems += own
    problems = as_written(problems)
    return (None if problems else recipe), problems


def _own_tasks(recipe: Recipe) -> list[Problem]:
    """Makes the recipe's own task files known in this process; what is wrong with them."""
    from evaluation.tasks.task_files import use_tasks_from

    try:
        use_tasks_from(recipe.task_folders())
    except UserError as error:
        return [Problem(("evaluation", "tasks_from"), f"cannot be used: {error}")]
    return []


def repaired(values: dict, schema: type[Schema]) -> tuple[Schema | None, list[Problem], set[Key]]:
    """`values` as the schema has them, with stand-ins for what is wrong, so that the rest can still be checked.

    Also what is wrong (places not filled in), and the keys that a stand-in took the place of.
    """
    problems: list[Problem] = []
    damaged: set[Key] = set()
    remaining = copy.deepcopy(values)
    for _ in range(8):  # a stand-in may uncover the next layer of mistakes
        try:
            return schema.model_validate(remaining), problems, damaged
        except ValidationError as failure:
            errors = failure.errors(include_url=False)
            problems += described([error for error in errors if not _follows(error, damaged)], schema)
            for error in errors:
                key = written_key(error["loc"])
                remaining = _with_stand_in(remaining, key[:-1] if key in damaged else key)
                damaged.add(key)
    return None, problems, damaged


def _follows(error: dict, damaged: set[Key]) -> bool:
    """Is it of what a stand-in, or a gap, took the place of, and not of what a person has written?"""
    key = written_key(error["loc"])
    inside = any(key[: len(bad)] == bad for bad in damaged)
    return inside or (error["type"] != "value_error" and any(bad[: len(key)] == key for bad in damaged))


def _with_stand_in(values: dict, key: Key) -> dict:
    """`values` with a stand-in at `key`, or without it. Reaches as deep as `values` does."""
    here: Any = values
    for depth, part in enumerate(key):
        last = depth == len(key) - 1
        inner = here[part] if _has(here, part) else None
        if not last and isinstance(inner, dict | list):
            here = inner
            continue
        if isinstance(here, dict):
            if (last and part in STAND_INS) or (not last and part in STAND_INS):
                here[part] = copy.deepcopy(STAND_INS[part])
            else:
                here.pop(part, None)
        elif isinstance(here, list) and _has(here, part):
            here.pop(part)
        return values
    return values


def _has(container: Any, part: str | int) -> bool:
    if isinstance(container, dict):
        return part in container
    return isinstance(container, list) and isinstance(part, int) and part < len(container)
