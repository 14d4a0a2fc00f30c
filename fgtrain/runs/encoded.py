"""Where the frozen encoder's outputs lie, and where it is noted that all of a run's are there.

<built_root>/.features/whole/<key>.json   of an encode job: hashes of the encoder and of the data that it has encoded
"""

from pathlib import Path
from typing import Any

from data_builders.shared.files import read_json, write_json
from fgtrain.errors import UserError
from fgtrain.plan import Plan
from fgtrain.recipe import START, Recipe

from .evaluations import question_hashes


def encoded_folder(recipe: Recipe) -> Path:
    return recipe.path(recipe.built_root) / ".features"


def note_encoded(
    recipe: Recipe, plan: Plan, *, key: str, origin: str, start: str, stages: list[str], questions: bool
) -> None:
    """The encode job with this key has encoded everything. The rest are the job's arguments."""
    write_json(_path(recipe, key), _hashes(recipe, plan, origin, start, stages, questions))


def encoded(
    recipe: Recipe, plan: Plan, *, key: str, origin: str, start: str, stages: list[str], questions: bool
) -> bool:
    """Has the job with this key encoded everything, as it is now? No, where something is yet to be built."""
    try:
        return read_json(_path(recipe, key)) == _hashes(recipe, plan, origin, start, stages, questions)
    except UserError:
        return False


def _path(recipe: Recipe, key: str) -> Path:
    return encoded_folder(recipe) / "whole" / f"{key}.json"


def _hashes(recipe: Recipe, plan: Plan, origin: str, start: str, stages: list[str], questions: bool) -> dict[str, Any]:
    """Of what is encoded and of the encoder; None for data that is not there. UserError for a missing question file."""
    evaluation = recipe.evaluation
    return {
        "encoder": start if origin == START else plan.stage(origin).fingerprint,
        "data": {data.name: data.sha256 for name in stages for data in plan.stage(name).data},
        "questions": question_hashes(evaluation.tasks, tuple(recipe.evaluation_folders())) if questions else {},
    }
