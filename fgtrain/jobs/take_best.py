"""Makes the best checkpoint of a stage, which lies beside its last, a checkpoint among others."""

import os
import shutil
from pathlib import Path

from fgtrain.checksums import is_checkpoint, verify_checksums
from fgtrain.errors import UserError
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.runs.watched import BEST

from .inputs import final_plan, made_once


def take_best(recipe: Recipe, group: Group, stage: str) -> None:
    """Leave it in the store, its files shared with where it was where the file system can; return at once where it is
    there. UserError when the stage that kept it is not done, or its best was altered."""
    planned = (plan := final_plan(recipe)).stage(stage)
    with made_once(recipe, planned, group) as store:
        if store is None:
            return
        source = (recipe.stage_store(plan.stage(planned.starts_from).fingerprint) / BEST).resolve()
        if not is_checkpoint(source):
            raise UserError(f"stage {planned.starts_from} of {recipe.name} has kept no best checkpoint at {source}")
        verify_checksums(source)
        temporary = store / ".checkpoint.writing"
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(source, temporary, copy_function=_share)
        temporary.rename(store / "checkpoint")


def _share(source: str, place: str) -> None:
    try:
        os.link(source, place)
    except OSError:  # a file system without links
        shutil.copy2(source, Path(place))
