"""What a whole optimizer step holds, known before its first micro-batch is learnt from."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

import torch

from fgtrain.batch import Batch

Totals = Callable[[Batch], tuple[float, ...]]


def label_weight(batch: Batch) -> tuple[float, ...]:
    """The weight of its labels, which the plain objective is divided by."""
    return (batch.weights_BT.sum(dtype=torch.float64).item(),)


def with_step_totals(batches: Iterable[Batch], accumulation: int, totals: Totals) -> Iterator[Batch]:
    """The same micro-batches, each with `step_totals`: the `totals` of all `accumulation` of its step, added up. A
    `fault` of one of them is a fault of the step.

    The loss of every micro-batch is divided by what the whole step holds, and a division before the backward pass
    is the only one that is exact wherever gradients are kept (whole, in shards, in buckets already averaged). So one
    step's worth of micro-batches is held ahead; as each one leaves, one of the next step is taken in, so that loader
    processes work all the time.
    """
    source = iter(batches)
    ahead = deque(islice(source, accumulation))
    while ahead:
        step = tuple(map(sum, zip(*map(totals, ahead), strict=True)))
        fault = next((batch.fault for batch in ahead if batch.fault is not None), None)
        for _ in range(len(ahead)):
            batch = ahead.popleft()
            ahead.extend(islice(source, 1))
            yield replace(batch, step_totals=step, fault=fault)
