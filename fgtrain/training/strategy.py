"""From the recipe's devices section to the strategy that Lightning runs."""

import os
from datetime import timedelta
from typing import Any

import torch
from lightning.pytorch.accelerators import CUDAAccelerator
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.strategies import DDPStrategy
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from evaluation.launcher import launched
from fgtrain.own_gpu import own_gpu, uses_gpu

from .resume_files import WHOLE, PointFiles


def chosen(devices: Any) -> str:
    """The strategy's name: `auto` is ddp on several devices and single on one."""
    if devices.strategy == "auto":
        return "ddp" if devices.world_size > 1 else "single"
    return devices.strategy


def kind(devices: Any) -> str:
    """What a resume point is of: the sharding strategy's name, or `WHOLE`."""
    name = chosen(devices)
    return WHOLE if name in ("single", "ddp") else name


def weights_device(devices: Any, rank: int, local_rank: int) -> torch.device:
    """Where a rank wants the weights of a model that it is going to train. "meta": nowhere, it gets them from others.

    So a host holds no copy of them where each goes to a GPU of its own, and one where they are sharded.
    """
    if chosen(devices) not in ("single", "ddp"):
        return torch.device("cpu" if rank == 0 else "meta")
    return own_gpu(local_rank) if uses_gpu(devices) else torch.device("cpu")


class KeptBuckets(DDPStrategy):
    """DDP that adds gradients up in the same buckets from the first step of a start to its last.

    Else it makes others after the first step, in which more than two processes add up in another order: a stage that
    was stopped would not be to the bit as one that was not. DDP keeps the first ones where it looks for parameters that
    are not used, which costs a walk through the graph (1.2 ms a step for 32 layers). All are; to be spared its warning
    that there was nothing to find, it is given one that is not.
    """

    def _setup_model(self, model: nn.Module) -> DistributedDataParallel:
        model.register_parameter("never_used", nn.Parameter(torch.zeros(1, device=self.root_device)))
        return super()._setup_model(model)


class OwnGpu(CUDAAccelerator):
    """Lightning's accelerator, but this process's GPU is what `own_gpu` says, and it need see no other."""

    @staticmethod
    def parse_devices(devices: int) -> list[int]:
        return list(range(devices))

    @staticmethod
    def get_parallel_devices(devices: list[int]) -> list[torch.device]:
        """One for each process of this host, of which only this process's is ever used here."""
        return [own_gpu(launched().local_rank)] * len(devices)


def build_strategy(devices: Any, files: PointFiles, lvlm: Any) -> tuple[Any, list[Any]]:
    """(strategy, plugins) for Lightning's Trainer. `lvlm`: the model, whose working copy a sharding one trains."""
    name, bf16 = chosen(devices), devices.precision == "bf16"
    bound = timedelta(minutes=devices.timeout_minutes)
    gpu = uses_gpu(devices)
    if not gpu:  # read once, when deepspeed is imported, which transformers does wherever it is installed
        os.environ["DS_ACCELERATOR"] = "cpu"
    mixed = MixedPrecision("bf16-mixed", "cuda" if gpu else "cpu") if bf16 else Precision()
    if name == "single":
        return "auto", [mixed, files]
    if name == "ddp":
        return KeptBuckets(find_unused_parameters=True, timeout=bound), [mixed, files]
    if name == "fsdp":
        from .strategy_fsdp import Fsdp2Strategy

        return Fsdp2Strategy(devices.world_size, devices.offload, bf16, files, lvlm, bound), [mixed]
    from .strategy_zero import ZeroStrategy
    from .zero_habits import ZeroPrecision

    strategy = ZeroStrategy(int(name[-1]), devices.offload, files, lvlm, bound)
    return strategy, [ZeroPrecision("bf16-mixed" if bf16 else "32-true")]
