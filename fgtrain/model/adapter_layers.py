"""Adapters in a model: found by name, and folded into the weights that they stand on. How they come: adapter_starts."""

import sys
from typing import TYPE_CHECKING

import torch
from torch import nn

from .families import PARTS
from .lvlm import LVLM

if TYPE_CHECKING:  # importing peft takes seconds, which a plan and a stage without adapters need not spend
    from peft.tuners.tuners_utils import BaseTunerLayer

MARKS = ("lora_", "osf_")  # in the names of adapters' parameters
NAME = "default"  # of the only adapter, as peft calls it


def of_adapter(parameter: str) -> bool:
    """Is a parameter of this name an adapter's?"""
    return any(mark in parameter for mark in MARKS)


def adapters(module: nn.Module) -> list[tuple[str, "BaseTunerLayer"]]:
    """All adapted layers inside a module, by name."""
    if "peft" not in sys.modules:
        return []
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [(name, m) for name, m in module.named_modules() if isinstance(m, BaseTunerLayer)]


@torch.no_grad()
def merge_adapters(lvlm: LVLM) -> None:
    """Fold all adapters into the weights they stand on; afterwards the model has its original layers again."""
    for name, layer in adapters(lvlm.hf):
        base = layer.get_base_layer()
        if not base.weight.is_meta:
            layer.merge(safe_merge=True)
        parent_name, _, child = name.rpartition(".")
        base.requires_grad_(False)
        setattr(lvlm.hf.get_submodule(parent_name), child, base)
    for part in PARTS:  # what peft notes on a module it has adapted
        for module in lvlm.parts[part].modules():
            for note in ("peft_config", "_hf_peft_config_loaded"):
                if note in vars(module):
                    delattr(module, note)
