"""Brings a device's micro-batches to training, and knows how long training has waited for them."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from fgtrain.batch import Batch
from fgtrain.errors import UserError

from .dataset import MicroBatches
from .lookahead import Totals, label_weight, with_step_totals
from .workers import outlive_stop_signals


class MicroBatchLoader(DataLoader):
    """Micro-batches from `start` to the end of the stage. Its length is that of the whole stage.

    Lightning counts batches from the stage's beginning and asks the loader to go on where it stopped; the state methods
    tell it that this one does. They hold nothing, because the position follows from the optimizer steps done.
    """

    def __init__(self, batches: MicroBatches, start: int, workers: int, totals: Totals = label_weight) -> None:
        """`totals`: what of a micro-batch is added up over its step."""
        super().__init__(
            batches,
            sampler=range(start, len(batches)),
            batch_size=None,
            num_workers=workers,
            worker_init_fn=outlive_stop_signals,
            pin_memory=torch.cuda.is_available(),
        )
        self.totals = totals
        self.waited = 0.0  # seconds that training has waited for batches

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[Batch]:
        yield from with_step_totals(self._batches(), self.dataset.share.accumulation, self.totals)

    def _batches(self) -> Iterator[Batch]:
        batches = super().__iter__()
        while True:
            begin = time.perf_counter()
            batch = self._next(batches)
            if self.num_workers and not self.pin_memory and isinstance(batch, Batch):
                # What loader processes send keeps a file open each (unless it was copied to pinned memory), and a whole
                # step of them is held.
                batch = batch.clone()
            self.waited += time.perf_counter() - begin
            if batch is None:
                return
            if isinstance(batch, UserError):
                # Ends the loader processes now. What the error keeps alive is collected some time later, in an order in
                # which they are not told, and waiting for them takes ten seconds each.
                del batches
                if self.dataset.share.world_size == 1:
                    raise batch
                yield self.dataset.faulty(str(batch))  # the others would wait for this device in vain
                return
            yield batch

    @staticmethod
    def _next(batches: Iterator[Batch]) -> Batch | UserError | None:
        """The next batch, the error in its place (a loader process has returned it), or None at the end."""
        try:
            return next(batches, None)
        except UserError as error:
            return error.with_traceback(None)  # it would keep `batches` alive

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass
