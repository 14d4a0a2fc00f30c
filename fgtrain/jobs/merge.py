"""Averages checkpoints of a run into a checkpoint of its own, in the store."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from data_builders.shared.made_with import made_with
from fgtrain.checksums import verify_checksums
from fgtrain.errors import UserError
from fgtrain.model import build_model, save_checkpoint
from fgtrain.model.merged import write_merged
from fgtrain.plan import Plan
from fgtrain.plan.versions import training_code
from fgtrain.processes import Group
from fgtrain.recipe import START, Recipe
from fgtrain.runs.model_card import model_card

from .inputs import checkpoint_folder, final_plan, made_once


def merge_checkpoints(recipe: Recipe, group: Group, stage: str) -> None:
    """Write the stage's checkpoint; return at once where it is there. UserError when one of those that it averages is
    not there, or was altered."""
    plan = final_plan(recipe)
    planned = plan.stage(stage)
    with made_once(recipe, planned, group) as store:
        if store is None:
            return
        shares = {part.part: part.shares for part in planned.parts}
        names = dict.fromkeys(name for of in shares.values() for name in of)
        made = {"stage": stage, "fingerprint": planned.fingerprint, "merged": shares}
        made |= made_with(training_code(planned.trained_by).hash)
        with ExitStack() as until_done:
            folders = {name: _folder(recipe, plan, stage, name, store, until_done) for name in names}
            write_merged(folders, shares, store / "checkpoint", made, model_card(recipe, plan, stage, 0))


def _folder(recipe: Recipe, plan: Plan, stage: str, checkpoint: str, store: Path, until_done: ExitStack) -> Path:
    """Where the checkpoint lies. The untrained model lies nowhere as one, and is written for the time being."""
    if (fingerprint := plan.stage(stage).elsewhere.get(checkpoint)) is not None:
        folder, other = recipe.stage_store(fingerprint) / "checkpoint", recipe.stages[stage].runs[checkpoint]
        if not folder.exists():
            run = other.recipe["name"]
            raise UserError(f"stage {other.stage} of {run} is not done: no checkpoint at {folder}. Start {run} first")
        verify_checksums(folder)
        return folder
    if checkpoint != START:
        return checkpoint_folder(recipe, plan, checkpoint)
    folder = Path(until_done.enter_context(TemporaryDirectory(prefix=".start-", dir=store))) / "checkpoint"
    lvlm = build_model(recipe.model_with_paths(), network=recipe.network, seed=recipe.seed)
    save_checkpoint(lvlm, folder, {"stage": START})
    return folder
