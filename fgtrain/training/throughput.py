"""How fast a stage runs and what holds it up: seconds, padding, waiting for data, FLOP utilisation, memory."""

import resource
import sys
import time
from dataclasses import replace
from functools import lru_cache

import torch

from data_builders.shared.terminal import say
from fgtrain.batch import Batch
from fgtrain.counts import Counts
from fgtrain.plan.cost import Work
from fgtrain.plan.peak import Peak, assumed_peak, gpu_peak
from fgtrain.recipe.devices_schema import Devices


class Throughput:
    """The figures of one optimizer step on this device, from its micro-batches.

    A step's time is that of its micro-batches and of waiting for them; evaluation and saving in between do not count.
    """

    def __init__(self, work: Work | None, device: torch.device, devices: Devices) -> None:
        """`work`: None where the model's arithmetic is not known; there is no `mfu` then."""
        self.work, self.device = work, device
        self.peak = peak_flops(device, devices) if work is not None else None
        self._begin = 0.0
        self._start_over(0.0)

    def _start_over(self, waited: float) -> None:
        self._waited = waited
        self._busy = 0.0
        self._places = 0
        self._counts = Counts()

    def begins(self) -> None:
        self._begin = time.perf_counter()

    def ends(self, batch: Batch) -> None:
        self._busy += time.perf_counter() - self._begin
        self._places += batch.token_ids_BT.numel()
        self._counts += batch.counts

    def figures(self, samples: int, devices: int, waited: float) -> dict[str, float]:
        """Of the step that ends now. `samples`: of the step on all devices; `waited`: for data since the beginning."""
        waiting, counts = waited - self._waited, self._counts
        seconds = max(self._busy + waiting, 1e-9)
        found = {
            "samples_per_s": samples / seconds,
            "tokens_per_s": counts.tokens * devices / seconds,
            "padding": 1 - counts.tokens / self._places if counts.tokens else 0.0,
            "data_wait": waiting / seconds,
            "memory_gib": peak_memory(self.device) / 2**30,
        }
        if self.work is not None and self.peak is not None:
            flops = self.work.flops(counts.tokens, counts.pairs, counts.labels, counts.image_tokens)
            found["mfu"] = flops / seconds / self.peak
        self._start_over(waited)
        return found


def peak_memory(device: torch.device) -> int:
    """Most bytes held so far: on a GPU by tensors, else by this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024


def device_peak(devices: Devices) -> Peak:
    """What one of the recipe's devices can do, as far as it can be known here.

    Of the GPU that is here; where none is, as `assumed_peak` says. A GPU that neither the table nor the recipe knows is
    told once. UserError for a `devices.gpu` that is not known.
    """
    assumed = assumed_peak(devices)
    if devices.accelerator != "cpu" and torch.cuda.is_available():
        found = gpu_peak(name := torch.cuda.get_device_name(), devices)
        if found.train is None:
            _tell_unknown(name)
        return replace(found, holds=torch.cuda.get_device_properties(0).total_memory)
    if assumed is not None and devices.accelerator != "cpu":
        return assumed
    return Peak(train=cpu_flops(devices.precision), fp32=cpu_flops("fp32"), of="this CPU, as measured")


@lru_cache
def _tell_unknown(name: str) -> None:
    say(
        f"{name} is not in the table of GPUs, so times and MFU are not known. Its data sheet's figures can be given: "
        f"'devices.gpu={{bf16_tflops: ..., fp32_tflops: ..., memory_tb_per_s: ..., memory_gb: ...}}'",
    )


def peak_flops(device: torch.device, devices: Devices) -> float | None:
    """FLOP/s that the device can do: a GPU as `gpu_peak` says, a CPU as measured, None for others."""
    if device.type == "cuda":
        return gpu_peak(torch.cuda.get_device_name(device), devices).train
    return cpu_flops(devices.precision) if device.type == "cpu" else None


@lru_cache
def cpu_flops(precision: str) -> float:
    """FLOP/s of this process's threads, measured once."""
    size = 1024
    a, b = torch.ones(2, size, size, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    times = []
    for _ in range(4):  # the fastest: the first one warms up, others may be disturbed
        begin = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - begin)
    return 2 * size**3 / min(times)
