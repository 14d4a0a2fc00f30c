"""A loss or a gradient that is no number ends the stage before its step is saved, on every rank alike."""

import math

import torch
import torch.distributed as dist
from torch import Tensor

from fgtrain.errors import TrainingFailedError

SHOWN = 16  # rows named in a message


class DivergenceWatch:
    """Keeps the losses of a step's micro-batches until it is known that all are finite."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._parts: list[tuple[list[str], Tensor]] = []

    def begin_step(self) -> None:
        self._parts = []

    def add(self, rows: list[str], loss: Tensor) -> None:
        """A micro-batch of this rank: its rows and its loss."""
        self._parts.append((rows, loss.detach()))

    def check_losses(self, step: int, ranks: int) -> None:
        """TrainingFailedError unless every micro-batch of every rank has a finite loss. All ranks call it together.

        A rank alone must not raise: its peers would wait for it in their next collective.
        """
        losses = torch.stack([loss for _, loss in self._parts])
        bad = (~torch.isfinite(losses)).any().float()
        if ranks > 1:
            dist.all_reduce(bad, op=dist.ReduceOp.MAX)
        if not bad.item():
            return
        found = [(loss.item(), rows) for rows, loss in self._parts if not torch.isfinite(loss)]
        if ranks > 1:
            everywhere: list = [None] * ranks
            dist.all_gather_object(everywhere, found)
            found = [one for rank in everywhere for one in rank]
        rows = [row for _, rows in found for row in rows]
        raise TrainingFailedError(self._said(f"the loss is {found[0][0]}", step, rows), on_all_ranks=True)

    def check_norm(self, norm: float, step: int) -> None:
        """TrainingFailedError unless the gradient's norm, which all ranks share, is finite."""
        if not math.isfinite(norm):
            rows = [row for rows, _ in self._parts for row in rows]
            said = self._said(f"the loss is finite, but the gradient's norm is {norm}", step, rows)
            raise TrainingFailedError(said, on_all_ranks=True)

    def _said(self, what: str, step: int, rows: list[str]) -> str:
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        return (
            f"stage {self.stage}, step {step + 1}: {what}. Rows of the micro-batches in question: "
            f"{', '.join(rows[:SHOWN])}{more}. Nothing of this step is saved. Try a lower learning rate, a longer "
            f"stages.{self.stage}.warmup_fraction or a smaller clip_norm, or look at these rows; the same command goes "
            f"on from the last resume point"
        )
