"""A model that a strategy may take apart, while the one it was copied from stays whole."""

import copy
from typing import Any

import torch
from torch import Tensor, nn


def working_copy(lvlm: Any, groups: list[dict]) -> tuple[Any, list[dict]]:
    """The same model in other modules and parameters, which share memory with the first, and `groups` of them.

    DeepSpeed and FSDP shard, cast and hook into the modules they are given and do not undo it. They get the copy. What
    is frozen stays in the original as it came, also where the copy is cast to bf16, and nothing is held twice. Of a
    model on the meta device the copy's parameters have shape and type, but no memory, until the strategy gives it them.
    """
    twins = {id(p): nn.Parameter(_values(p), requires_grad=p.requires_grad) for p in lvlm.parameters()}
    copied = copy.deepcopy(lvlm, {**twins, id(lvlm.tokenizer): lvlm.tokenizer})
    return copied, [{**group, "params": [twins[id(p)] for p in group["params"]]} for group in groups]


def _values(parameter: nn.Parameter) -> Tensor:
    # Not the meta device: a parameter there cannot be given values later, only be replaced by another.
    return torch.empty((), dtype=parameter.dtype).expand(parameter.shape) if parameter.is_meta else parameter.data


def buffers(module: nn.Module) -> dict[str, Tensor]:
    """The buffers that a checkpoint holds (a BatchNorm's statistics, not a table made anew at each start)."""
    kept = module.state_dict(keep_vars=True).keys()
    return {name: buffer for name, buffer in module.named_buffers() if name in kept}
