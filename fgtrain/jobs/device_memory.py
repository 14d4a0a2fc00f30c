"""What the device of this process holds, and the stages that do not fit it: told before anything is trained."""

import os
from collections.abc import Iterable

import torch

from fgtrain.errors import UserError
from fgtrain.plan import StagePlan
from fgtrain.plan.needs import too_large
from fgtrain.recipe import Recipe


def refuse_too_large(recipe: Recipe, stages: Iterable[StagePlan]) -> None:
    """UserError for stages whose counted need is more than the device here has, with what to write and what it gives.

    Where the recipe wants a GPU and this process sees none, nothing is known and nothing refused.
    """
    devices = recipe.devices
    on_cpu = devices.accelerator == "cpu" or not torch.cuda.is_available()
    if on_cpu and devices.accelerator == "gpu":
        return
    room = device_memory() // (devices.count if on_cpu else 1)
    if lines := [line for stage in stages if not stage.bounded and (line := too_large(stage, room))]:
        raise UserError("\n".join(lines))


def device_memory() -> int:
    """Bytes of the device that trains."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
