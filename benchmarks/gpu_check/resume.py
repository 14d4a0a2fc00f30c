"""A stage that is stopped and goes on ends at the same bits as one that is not, if one that is not ends at its own."""

import os
import signal
from typing import Any

from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from fgtrain.recipe import Recipe
from fgtrain.training.stop_signals import StageInterruptedError

from .found import Check, Found
from .models import MEDIUM, drawn_model, free, prepared, train, write_recipe

STEPS, STOPPED_AT, LAYERS = 6, 3, 2


def run(check: Check, found: Found) -> None:
    ends = {name: _end(check, found, name, stop=name == "stopped") for name in ("once", "twice", "stopped")}
    again, resumed = (_difference(ends["once"], ends[name]) for name in ("twice", "stopped"))
    found.figure("largest difference", {"between two runs": again, "after a stop": resumed})
    if again == 0:
        found.require(resumed == 0, f"a resumed run differs by {resumed:.3g}, two uninterrupted ones not at all")
    else:  # some kernel of this device adds in no fixed order
        found.require(
            resumed <= 10 * again, f"a resumed run differs by {resumed:.3g}, two uninterrupted by {again:.3g}"
        )
    same = "equal to the bit" if resumed == 0 else f"off by {resumed:.3g}"
    found.say(
        f"stopped after step {STOPPED_AT} of {STEPS} and resumed: {same}; two uninterrupted runs differ by {again:.3g}"
    )


def _end(check: Check, found: Found, name: str, stop: bool) -> dict[str, Tensor]:
    """The weights that learn after the stage."""
    recipe = prepared(write_recipe(check, LAYERS, STEPS, name, MEDIUM))
    if stop:
        _stopped(recipe, check, found)
    lvlm = drawn_model(recipe, check)
    _, rows = train(recipe, "sft", lvlm)
    found.require(
        [row["step"] for row in rows] == list(range(1, STEPS + 1)), f"{name}: not every step has its row once"
    )
    return {key: p.detach().float().cpu() for key, p in lvlm.named_parameters() if p.requires_grad}


def _stopped(recipe: Recipe, check: Check, found: Found) -> None:
    """As a scheduler stops a run: by a signal, while a step is under way."""
    steps: list[int] = []

    def count(*_: Any) -> None:
        steps.append(1)
        if len(steps) == STOPPED_AT:
            os.kill(os.getpid(), signal.SIGUSR1)

    hook = register_optimizer_step_post_hook(count)
    try:
        train(recipe, "sft", drawn_model(recipe, check))
    except StageInterruptedError as told:
        found.say(str(told).partition(", saved in")[0])
    else:
        raise RuntimeError("the signal did not stop the stage")
    finally:
        hook.remove()
        free()


def _difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    if a.keys() != b.keys():
        raise RuntimeError("the runs have learnt different weights")
    return max(float((a[name] - b[name]).abs().max()) for name in a)
