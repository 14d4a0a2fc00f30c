"""Questions in the middle of a stage, for the curves."""

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from .metrics_log import MetricsLog
from .module import StageModule, optimizer_step_ended
from .sharded import whole_model
from .stage_progress import StageProgress


class SubsetEvaluation(Callback):
    """Asks a fixed subset of the questions every N optimizer steps, for the curves."""

    def __init__(
        self,
        every_steps: int,
        steps: int,
        ask: Callable[[int, int, int], list[dict]],
        log: MetricsLog,
        progress: StageProgress,
    ) -> None:
        """`ask(step, rank, ranks)` asks this process's share of the questions; on rank 0 it returns the rows to log."""
        self.every_steps, self.steps, self.ask = every_steps, steps, ask
        self.metrics = log  # not `log`: Lightning sets that name on a callback
        self.progress = progress

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        step = trainer.global_step
        if not optimizer_step_ended(trainer, index) or step % self.every_steps or step == self.steps:
            return
        release_cached()
        with self.progress.paused(), whole_model(trainer, module):
            rows = self.ask(step, trainer.global_rank, trainer.world_size)
            if trainer.is_global_zero:
                self.metrics.tell(rows)
            trainer.strategy.barrier("subset evaluation")
        release_cached()


def release_cached() -> None:
    """Give a GPU's free blocks back: those of training do not fit what asking wants, nor the reverse."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
