"""Out of memory: the message says which micro-batch would fit, by the plan's arithmetic."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from fgtrain.data.datamodule import StageData
from fgtrain.errors import TrainingFailedError
from fgtrain.plan.layout import gib
from fgtrain.plan.needs import USABLE
from fgtrain.recipe import Recipe

from .device_memory import device_memory
from .prepare import counted_plan

SAYS = ("not enough memory", "out of memory", "can't allocate memory")  # as torch's allocators put it


@contextmanager
def explained(recipe: Recipe, name: str, data: StageData) -> Iterator[None]:
    """TrainingFailedError in the place of an allocator's error while stage `name` trains."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error).lower() for words in SAYS):
            raise
        raise TrainingFailedError(f"stage {name} ran out of memory: {_advice(recipe, name, data)}") from error


def predicted(recipe: Recipe, name: str, data: StageData, per_device: int) -> int | None:
    """Peak bytes per device of the stage, as the plan predicts them for so many samples a micro-batch."""
    devices = recipe.devices.model_copy(update={"per_device_batch_size": per_device})
    other = copy.copy(data)
    other.devices = devices
    return counted_plan(recipe.model_copy(update={"devices": devices}), {name: other}).stage(name).memory_bytes


def _advice(recipe: Recipe, name: str, data: StageData) -> str:
    devices, room = recipe.devices, device_memory()
    size = recipe.stages[name].global_batch_size // devices.world_size
    now = devices.per_device_batch_size
    needs = {n: predicted(recipe, name, data, n) for n in range(now, 0, -1) if size % n == 0}
    text = f"the plan predicts {gib(needs[now])} for devices.per_device_batch_size={now}, the device has {gib(room)}. "
    for smaller, need in needs.items():
        if smaller < now and need is not None and need < USABLE * room:
            return (
                text
                + f"Write devices.per_device_batch_size={smaller} ({gib(need)} by the plan): the same steps come out"
            )
    least = min(needs)
    return (
        f"{text}Even devices.per_device_batch_size={least} needs {gib(needs[least])}. Write "
        f"devices.activation_checkpointing=true, or a devices.strategy that shards (deepspeed_stage_3, fsdp)"
    )
