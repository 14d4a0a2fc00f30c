"""From the recipe's devices section to the strategy that Lightning runs."""

import importlib.util
import os
from datetime import timedelta
from typing import Any

import torch
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.strategies import DDPStrategy

from fgtrain.errors import UserError

from .resume_files import WHOLE, PointFiles

# Rank 0 evaluates while the others wait, so the wait may be long.
PATIENCE = timedelta(hours=12)
INSTALL = "pip install 'deepspeed>=0.17,<0.20'"


def chosen(devices: Any) -> str:
    """The strategy's name: `auto` is ddp on several devices and single on one."""
    if devices.strategy == "auto":
        return "ddp" if devices.world_size > 1 else "single"
    return devices.strategy


def kind(devices: Any) -> str:
    """What a resume point is of: the sharding strategy's name, or `WHOLE`."""
    name = chosen(devices)
    return WHOLE if name in ("single", "ddp") else name


def refuse_missing_deepspeed(devices: Any) -> None:
    """UserError where DeepSpeed is asked for and not installed."""
    if chosen(devices).startswith("deepspeed") and importlib.util.find_spec("deepspeed") is None:
        raise UserError(f"devices.strategy is {devices.strategy}, but DeepSpeed is not installed. Type: {INSTALL}")


def build_strategy(devices: Any, files: PointFiles, lvlm: Any) -> tuple[Any, list[Any]]:
    """(strategy, plugins) for Lightning's Trainer. `lvlm`: the model, whose working copy a sharding one trains."""
    name, bf16 = chosen(devices), devices.precision == "bf16"
    gpu = devices.accelerator != "cpu" and torch.cuda.is_available()
    if not gpu:  # read once, when deepspeed is imported, which transformers does wherever it is installed
        os.environ["DS_ACCELERATOR"] = "cpu"
    mixed = MixedPrecision("bf16-mixed", "cuda" if gpu else "cpu") if bf16 else Precision()
    if name == "single":
        return "auto", [mixed, files]
    if name == "ddp":
        return DDPStrategy(find_unused_parameters=False, timeout=PATIENCE), [mixed, files]
    if name == "fsdp":
        from .strategy_fsdp import Fsdp2Strategy

        return Fsdp2Strategy(devices.world_size, devices.offload, bf16, files, lvlm, PATIENCE), [mixed]
    refuse_missing_deepspeed(devices)
    from .strategy_zero import ZeroPrecision, ZeroStrategy

    strategy = ZeroStrategy(int(name[-1]), devices.offload, files, lvlm, PATIENCE)
    return strategy, [ZeroPrecision("bf16-mixed" if bf16 else "32-true")]
