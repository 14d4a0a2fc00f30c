"""The best checkpoint of a stage, whole, beside its last: `best` in its store."""

import copy
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from safetensors.torch import load_file

from data_builders.shared.made_with import made_with
from data_builders.shared.terminal import say
from fgtrain.model import LVLM, Base, merge_adapters, read_adapter, save_checkpoint
from fgtrain.model.intruders import reduce_intruders
from fgtrain.plan import Plan, StagePlan
from fgtrain.plan.versions import training_code
from fgtrain.recipe import Recipe
from fgtrain.runs.model_card import model_card
from fgtrain.runs.watched import BEST, best_look, read_watch

from .watch import LEARNT


def save_best(
    recipe: Recipe,
    plan: Plan,
    planned: StagePlan,
    lvlm: LVLM,
    base: Base | str | None,
    full: Iterable[str],
    steps: int,
    left_out: int,
) -> None:
    """Save the stage's best checkpoint; where that is the one after `steps`, its last, a link to it. On rank 0, before
    the last is saved: a stage whose last is there is done.

    `lvlm`: the last, its adapters still in place; it is moved to the host, and a copy is given what had learnt at the
    best look. `base`, `full`: as for `read_adapter`.
    """
    store, name = recipe.stage_store(planned.fingerprint), planned.name
    look, place = best_look(read_watch(store)), store / BEST
    _clear(place)
    if look["step"] == steps:
        os.symlink("checkpoint", place, target_is_directory=True)
        return
    best = copy.deepcopy(lvlm.cpu(), {id(lvlm.tokenizer): lvlm.tokenizer})
    learnt = load_file(store / LEARNT.format(look["step"]))
    found = best.load_state_dict(learnt, strict=False)
    lost = [one for one, values in best.named_parameters() if values.requires_grad and one not in learnt]
    if found.unexpected_keys or lost:
        raise RuntimeError(f"what was kept of step {look['step']} is of another model: {lost or found.unexpected_keys}")
    reduce_intruders(best, recipe.stages[name].train)
    adapter = read_adapter(best, base, full) if isinstance(base, Base) else base
    merge_adapters(best)
    made = {"stage": name, "fingerprint": planned.fingerprint, "steps": look["step"], "of_steps": planned.steps}
    made |= {"best": look} | made_with(training_code(planned.trained_by).hash)
    if isinstance(adapter, str):
        made["no_adapter"], adapter = adapter, None
    save_checkpoint(best, place, made, adapter, model_card(recipe, plan, name, left_out, best=True))
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
