"""The exponential average of the weights that a stage learns, which its checkpoint holds (`stages.X.ema`).

Lightning's EMAWeightAveraging keeps a second copy of the whole model, the frozen rest included, on every rank and does
not shard it. Here each rank averages the fp32 tensors that its optimizer steps and nothing else, so that the average is
sharded as they are; the formula is torch's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from .module import StageModule, optimizer_step_ended
from .sharded import Sharded


def decay_at(decay: float, step: int) -> float:
    """Of step 1, 2, ...: less at the beginning, as in TensorFlow's ExponentialMovingAverage(num_updates)."""
    return min(decay, (1 + step) / (10 + step))


class WeightAverage(Callback):
    """Averages learning weights of the parts that are asked for; at the end of the stage they take the weights' place.

    The average begins as the weights of the stage's start, and lies where they do. `averages`, `stored`: of this rank,
    as the resume point has them.
    """

    def __init__(self, ema: Any) -> None:
        """`ema`: the recipe's section."""
        self.ema = ema
        self.weights: list[Tensor] = []
        self.averages: list[Tensor] = []
        self.stored: list[Tensor] | None = None
        self.sharded = False

    def setup(self, trainer: Trainer, module: StageModule, stage: str) -> None:
        self.sharded = isinstance(trainer.strategy, Sharded)

    def on_train_start(self, trainer: Trainer, module: StageModule) -> None:
        if self.sharded:
            found = trainer.strategy.pieces()
        else:
            found = [(group["part"], p.detach()) for group in module.parameter_groups for p in group["params"]]
        self.weights = [values for part, values in found if self.ema.of(part)]
        self.averages = [values.clone() for values in self.weights]
        if self.stored is not None:
            for average, stored in zip(self.averages, self.stored, strict=True):
                average.copy_(stored)
            self.stored = None

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        if optimizer_step_ended(trainer, index):
            update = get_ema_multi_avg_fn(decay_at(self.ema.decay, trainer.global_step))
            update(self.averages, self.weights, None)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The averages are where the weights are, and the other way round."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        for average, values in zip(self.averages, self.weights, strict=True):
            kept = values.clone()
            values.copy_(average)
            average.copy_(kept)

    def on_train_end(self, trainer: Trainer, module: StageModule) -> None:
        self._exchange()  # also where a signal ended it: its resume point is written by now

    # ---- resume points; a sharding strategy saves each rank's averages with its shards

    def state_dict(self) -> dict[str, Any]:
        return {} if self.sharded else {"averages": self.averages}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.stored = state_dict.get("averages")
