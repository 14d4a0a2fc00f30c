"""The optimizer of a stage, as its recipe names it."""

import torch
from torch.optim import Optimizer

from fgtrain.recipe.objective_schema import OptimizerChoice


def build_optimizer(chosen: OptimizerChoice | None, groups: list[dict], weight_decay: float) -> Optimizer:
    """`groups`: `[{params, lr, ...}]`; `weight_decay`: decoupled, of all of them alike."""
    chosen = chosen or OptimizerChoice()
    groups = [{**group, "weight_decay": weight_decay} for group in groups]
    # Fused: one pass over memory instead of ten, on shards as well, and in host memory where they are kept there.
    if chosen.name == "sgd":
        # torch's SGD adds decay to the gradient: times the rate, that is AdamW's step, but for the momentum it enters.
        return torch.optim.SGD(groups, momentum=chosen.momentum, fused=True)
    return torch.optim.AdamW(groups, betas=chosen.betas, weight_decay=weight_decay, fused=True)
