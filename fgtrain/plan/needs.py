"""Does a stage fit its device, and if not, what would make it fit? By the plan's arithmetic. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fgtrain.counts import Counts
from fgtrain.recipe import Devices

from .arithmetic import held_bytes, on_device, resolved_strategy
from .cost import ModelShape
from .keeping import Kept
from .layout import gib
from .memory import Activations, activations, peak_bytes
from .schema import StagePlan

USABLE = 0.95  # of a device; the rest goes to its driver and to what its allocator cannot use


@dataclass(frozen=True)
class Needs:
    """What decides the memory of a stage's training step. `heaviest`: everything in a micro-batch, at most."""

    parameters: int
    trainable: int
    learning: dict[str, float]  # part -> fraction of its parameters that learns
    shape: ModelShape | None
    heaviest: Counts | None
    per_step: int  # samples a device sees in a step
    kept: Kept | None = None  # what the stage is held near to
    averaged: int = 0  # parameters whose average is kept

    def bytes(self, devices: Devices) -> tuple[int, Activations | None]:
        """(peak of one device, of it what a micro-batch adds), in bytes; None where activations are not known."""
        here = on_device(self.held(devices), devices.offload)
        beside = self.kept.bytes(self.shape, self.heaviest) if self.kept is not None else 0
        if self.shape is None or self.heaviest is None:
            return sum(here) + beside, None
        added = activations(self.shape, self.heaviest, self.learning, devices)
        accumulation = max(1, self.per_step // devices.per_device_batch_size)
        return peak_bytes(here, added, accumulation, resolved_strategy(devices)) + beside, added

    def held(self, devices: Devices) -> tuple[int, int, int]:
        """As `held_bytes`."""
        strategy, ranks = resolved_strategy(devices), devices.world_size
        return held_bytes(self.parameters, self.trainable, devices.precision, strategy, ranks, self.averaged)

    def smaller(self, devices: Devices) -> dict[str, int]:
        """What to write -> bytes of one device with it, as many of the changes as there are, mildest first."""
        return {text: need for text, need in self._changes(devices) if need < self.bytes(devices)[0]}

    def _changes(self, devices: Devices) -> Iterator[tuple[str, int]]:
        def with_these(counts: Counts | None = self.heaviest, **changes: object) -> tuple[str, int]:
            names = (f"{key}={str(value).lower()}" for key, value in changes.items())
            other = replace(self, heaviest=counts)
            return " ".join(f"devices.{name}" for name in names), other.bytes(devices.model_copy(update=changes))[0]

        again: dict = {} if devices.activation_checkpointing else {"activation_checkpointing": True}
        now, several = devices.per_device_batch_size, devices.world_size > 1
        if self.heaviest is not None:
            if again:
                yield with_these(**again)
            # In half as long as the step divides, so that the same steps come out.
            size = now
            while size % 2 == 0 and self.per_step % (size // 2) == 0:
                size //= 2
                yield with_these(self.heaviest.times(size / now), per_device_batch_size=size)
        if self.kept is not None:  # needs whole weights
            return
        strategies = ["deepspeed_stage_2", "deepspeed_stage_3", "fsdp"] if several else []
        for strategy in [name for name in strategies if name != devices.strategy]:
            yield with_these(strategy=strategy, **again)
        if devices.offload is None:
            strategy = devices.strategy if devices.strategy.startswith("deepspeed") else "deepspeed_stage_2"
            yield with_these(strategy=strategy, offload="optimizer", **again)
            yield with_these(strategy="deepspeed_stage_3", offload="parameters", **again)


def too_large(stage: StagePlan, holds: int | None, part: float = 1.0) -> str:
    """What to say of a stage that needs more than this part of what a device holds, and what to write for less; empty
    where it fits, or nobody knows.
    """
    need = stage.memory_bytes
    if need is None or holds is None or stage.activation_bytes is None or need <= part * holds:
        return ""
    up_to = "up to " if stage.bounded else ""
    return f"Stage {stage.name} needs {up_to}{gib(need)} on a device that has {gib(holds)}. {_advice(stage, holds)}"


def _advice(stage: StagePlan, holds: int) -> str:
    """Which of the changes would fit, the mildest first; what comes nearest where none does."""
    if fitting := [f"{text} ({gib(size)})" for text, size in stage.smaller.items() if size <= USABLE * holds]:
        return "Write " + ", or ".join(fitting[:3])
    if not stage.smaller:
        return "More devices, a smaller model or LoRA would need less"
    text, size = min(stage.smaller.items(), key=lambda item: item[1])
    return f"Nearest comes {text} ({gib(size)}); more devices, a smaller model or LoRA would need less"
