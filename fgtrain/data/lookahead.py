"""What a whole optimizer step holds, known before its first micro-batch is learnt from."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

import torch

from fgtrain.batch import Batch


def with_step_weight(batches: Iterable[Batch], accumulation: int) -> Iterator[Batch]:
    """The same micro-batches, each with `step_weight`: the label weight of all `accumulation` of its step. A `fault`
    of one of them is a fault of the step.

    The loss of every micro-batch is divided by the weight of the whole step, and a division before the backward pass
    is the only one that is exact wherever gradients are kept (whole, in shards, in buckets already averaged). So one
    step's worth of micro-batches is held ahead; as each one leaves, one of the next step is taken in, so that loader
    processes work all the time.
    """
    source = iter(batches)
    ahead = deque(islice(source, accumulation))
    while ahead:
        weight = sum(batch.weights_BT.sum(dtype=torch.float64).item() for batch in ahead)
        fault = next((batch.fault for batch in ahead if batch.fault is not None), None)
        for _ in range(len(ahead)):
            batch = ahead.popleft()
            ahead.extend(islice(source, 1))
            yield replace(batch, step_weight=weight, fault=fault)
