"""The best checkpoint of a stage, whole, beside its last: `best` in its store."""

import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from data_builders.shared.made_with import made_with
from data_builders.shared.terminal import say
from fgtrain.model import fully_trained, merge_adapters, read_adapter, save_checkpoint
from fgtrain.model.intruders import reduce_intruders
from fgtrain.plan import Plan, StagePlan
from fgtrain.plan.versions import training_code
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.runs.model_card import model_card
from fgtrain.runs.watched import BEST, best_look, read_watch

from .adapter_base import adapter_base
from .adapters import make_learn
from .inputs import model_at, stage_before
from .watch import LEARNT


def save_best(recipe: Recipe, plan: Plan, planned: StagePlan, steps: int, left_out: int) -> None:
    """Save the stage's best checkpoint; where that is the one after `steps`, its last, a link to it. On rank 0, before
    the last is saved: a stage whose last is there is done.

    The model is made anew as the stage began, and given what had learnt at the best look.
    """
    store = recipe.stage_store(planned.fingerprint)
    look = best_look(read_watch(store))
    place = store / BEST
    if look["step"] == steps:
        _clear(place)
        os.symlink("checkpoint", place, target_is_directory=True)
        return
    stage, name = recipe.stages[planned.name], planned.name
    lvlm = model_at(recipe, plan, stage_before(plan, name), torch.device("cpu"))
    base = adapter_base(recipe, plan, name, lvlm)
    make_learn(recipe, name, lvlm, Group(), store / "resume")
    full = fully_trained(lvlm)
    learnt = load_file(store / LEARNT.format(look["step"]))
    found = lvlm.load_state_dict(learnt, strict=False)
    lost = [one for one, values in lvlm.named_parameters() if values.requires_grad and one not in learnt]
    if found.unexpected_keys or lost:
        raise RuntimeError(f"what was kept of step {look['step']} is of another model: {lost or found.unexpected_keys}")
    reduce_intruders(lvlm, stage.train)
    adapter = base if base is None or isinstance(base, str) else read_adapter(lvlm, base, full)
    merge_adapters(lvlm)
    made = {"stage": name, "fingerprint": planned.fingerprint, "steps": look["step"], "of_steps": planned.steps}
    made |= {"best": look} | made_with(training_code(planned.trained_by).hash)
    if isinstance(adapter, str):
        made["no_adapter"], adapter = adapter, None
    _clear(place)
    save_checkpoint(lvlm, place, made, adapter, model_card(recipe, plan, name, left_out, best=True))
    say(f"stage {name}: best checkpoint is of step {look['step']}, saved in {place}")


def _clear(place: Path) -> None:
    if place.is_symlink():
        place.unlink()
    else:
        shutil.rmtree(place, ignore_errors=True)


def clear_learnt(store: Path) -> None:
    """Remove what was kept to make the best checkpoint of: the stage is finished."""
    for path in store.glob(LEARNT.replace("{:08d}", "*")):
        path.unlink()
