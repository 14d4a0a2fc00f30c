"""Which questions are asked while a stage trains, known by their hash: they decide about a stage that is watched."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from evaluation.asking.subset import subset_of
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task import questions_hash
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe

from .facts import DataFacts

ASKED = "[asked]"  # among the facts of data sets, none of which can have that name


def subset_hashes(recipe: Recipe) -> dict[str, str]:
    """Task -> hash of the questions of its subset. UserError when a question file is missing."""
    evaluation = recipe.evaluation
    return _hashes(evaluation.tasks, tuple(recipe.evaluation_folders()), evaluation.subset)


@lru_cache(maxsize=256)
def _hashes(names: tuple[str, ...], folders: tuple[Path, ...], size: int) -> dict[str, str]:
    tasks = load_tasks(list(names), list(folders))
    return {task.name: questions_hash(replace(task, items=subset_of(task, size))) for task in tasks}


def asked_facts(recipe: Recipe) -> dict[str, DataFacts]:
    """An entry under ASKED where a stage is watched; without a hash until the question files are here."""
    if not any(stage.watched for stage in recipe.training_stages.values()):
        return {}
    try:
        hashes = subset_hashes(recipe)
    except UserError:
        return {ASKED: DataFacts()}
    return {ASKED: DataFacts(sha256=" ".join(f"{name} {value}" for name, value in sorted(hashes.items())))}
