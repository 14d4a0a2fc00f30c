"""Where DeepSpeed's own ways would make a step another one: what is put in their place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import deepspeed
import torch
from lightning.pytorch.plugins.precision import DeepSpeedPrecision
from torch import nn


class ZeroPrecision(DeepSpeedPrecision):
    """Batches stay as they are (label weights are no activations); in bf16 the forward pass runs under autocast.

    The copy's weights are bf16 then, and what the model does in fp32 (losses, features) goes on to be fp32.
    """

    def convert_input(self, data: Any) -> Any:
        return data

    @contextmanager
    def forward_context(self) -> Iterator[None]:
        device = deepspeed.get_accelerator().device_name()
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self._desired_dtype == torch.bfloat16):
            yield


class OneByOne(nn.Module):
    """A model's parameters, each made ready when it is asked for and not before."""

    def __init__(self, model: nn.Module, ready: Callable[[nn.Parameter], None]) -> None:
        super().__init__()
        self.wanted, self.ready = [*model.parameters()], ready

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        for parameter in self.wanted:
            self.ready(parameter)
            yield parameter


@contextmanager
def zero_class_in_stage_1() -> Iterator[None]:
    """DeepSpeed steps by its ZeRO class in stage 1, too. For bf16 weights with fp32 sums it would take another one,
    whose shards and norms lie elsewhere; the ZeRO class keeps the same sums.
    """
    choose = deepspeed.DeepSpeedEngine._do_optimizer_sanity_check

    def chosen(engine: Any, optimizer: Any) -> Any:
        found = choose(engine, optimizer)
        return "zero_optimization" if found == "bf16" else found

    deepspeed.DeepSpeedEngine._do_optimizer_sanity_check = chosen
    try:
        yield
    finally:
        deepspeed.DeepSpeedEngine._do_optimizer_sanity_check = choose
