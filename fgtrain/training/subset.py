"""Questions in the middle of a stage, for the curves."""

import time
from collections.abc import Callable
from typing import Any

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
        ask: Callable[[int], list[dict]] | None,
        log: MetricsLog,
        progress: StageProgress,
    ) -> None:
        """`ask(step)` returns the rows to log; it runs on rank 0 while the others wait (theirs is None)."""
        self.every_steps, self.steps, self.ask = every_steps, steps, ask
        self.metrics = log  # not `log`: Lightning sets that name on a callback
        self.progress = progress

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        step = trainer.global_step
        if not optimizer_step_ended(trainer, index) or step % self.every_steps or step == self.steps:
            return
        with self.progress.paused(), whole_model(trainer, module):
            if trainer.is_global_zero:
                for row in self.ask(step):
                    self.metrics.write(row)
            trainer.strategy.barrier("subset evaluation")
        self.metrics.clock = time.perf_counter()
