"""What a recipe may say and a plan can count, but this version cannot run: said before hours of data are built."""

from typing import Any

import torch

from evaluation.tasks.task import all_specs, could_select
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe
from fgtrain.training.strategy import refuse_missing_deepspeed


def refuse_what_cannot_run(recipe: Recipe) -> None:
    """UserError naming every such key at once."""
    refuse_missing_deepspeed(recipe.devices)
    problems = []
    model = recipe.model
    if model.checkpoint is None and model.max_tiles > 1 and model.projector != "pixel_shuffle_mlp2x_gelu":
        problems.append(
            f"model.max_tiles is {model.max_tiles}, but only InternVL's architecture cuts images. Write max_tiles: 1, "
            f"or projector: pixel_shuffle_mlp2x_gelu behind an InternViT"
        )
    specs = all_specs()
    unknown = [task for task in recipe.evaluation.tasks if not any(could_select(task, s) for s in specs.values())]
    if unknown:
        problems.append(f"evaluation.tasks names {', '.join(unknown)}; there are: {', '.join(specs)}")
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise UserError(f"{recipe.name} plans, but cannot be run as it is:\n{lines}")


def refuse_missing_gpus(devices: Any) -> None:
    """UserError where this host has fewer GPUs than training is to use. Only where it trains: a login node has none."""
    there = torch.cuda.device_count()
    if devices.accelerator == "gpu" and there == 0:
        raise UserError(
            "devices.accelerator is gpu, but torch sees no GPU here. Write devices.accelerator=cpu, start it where "
            "there is one (--submit on a cluster), or install the CUDA build of torch"
        )
    if devices.accelerator != "cpu" and 0 < there < devices.count:
        raise UserError(
            f"devices.count is {devices.count}, but torch sees {there} GPUs here. Write devices.count={there}"
        )
