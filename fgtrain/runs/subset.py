"""The fixed subset that is asked while a stage trains: where its answers and rows lie.

<runs_root>/.stages/<fingerprint>/subset/<questions>/step*/   for every run that asks the stage the same
<run>/subset/<stage>                                          link to it
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from evaluation.asking import subset_of
from evaluation.tasks.task import load_tasks, questions_hash
from fgtrain.recipe import Recipe

from .identity import identity_of

SUBSET = "subset"
SUBSET_ROWS = "rows.json"


def subset_folder(recipe: Recipe, store: Path) -> Path | None:
    """Of the stage in `store`; None where the recipe asks nothing in between.

    Recipes that share the stage but ask others do not see each other's. UserError when a question file is missing.
    """
    evaluation = recipe.evaluation
    if not (evaluation.every_steps and evaluation.tasks):
        return None
    return store / SUBSET / _key(evaluation.tasks, tuple(recipe.evaluation_folders()), evaluation.subset)


@lru_cache(maxsize=256)
def _key(names: tuple[str, ...], folders: tuple[Path, ...], size: int) -> str:
    tasks = load_tasks(list(names), list(folders))
    chosen = {task.name: questions_hash(replace(task, items=subset_of(task, size))) for task in tasks}
    return identity_of(chosen)
