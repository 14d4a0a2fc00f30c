"""Clocks that wait for the device."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_of(call: Callable[[], Any], times: int = 3) -> float:
    """The median of `times` calls after one that warms up."""
    call()
    found = []
    for _ in range(times):
        wait()
        begin = time.perf_counter()
        call()
        wait()
        found.append(time.perf_counter() - begin)
    return statistics.median(found)


def matmul_flops(device: str, dtype: torch.dtype, size: int) -> float:
    """FLOP/s of a square matrix product."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds_of(lambda: a @ b, 5)
