"""The fixed subset that is asked while a stage trains: where its answers and rows lie.

<runs_root>/.stages/<fingerprint>/subset/<questions>/step*/   for every run that asks the stage the same
<run>/subset/<stage>                                          link to it
"""

from pathlib import Path

from fgtrain.plan.asked_between import subset_hashes
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
    return store / SUBSET / identity_of(subset_hashes(recipe))
