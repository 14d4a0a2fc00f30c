"""How far a stage is: a bar on a terminal, lines elsewhere."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from .module import StageModule, optimizer_step_ended


class StageProgress(Callback):
    """Stage, step, samples/s and time left: a bar on a terminal, else a line every tenth of the stage."""

    def __init__(self, stage: str, steps: int, global_batch_size: int) -> None:
        self.stage, self.steps, self.global_batch_size = stage, steps, global_batch_size
        self.bar: Progress | None = None
        self.started_step, self.started_at = 0, 0.0

    def on_train_start(self, trainer: Trainer, module: StageModule) -> None:
        self.started_step, self.started_at = trainer.global_step, time.perf_counter()
        if not trainer.is_global_zero:
            return
        if sys.stderr.isatty() or os.environ.get("FGTRAIN_PROGRESS") == "1":
            figures = "{task.fields[rate]:.0f} samples/s · loss {task.fields[loss]:.3f}"
            whole = Column(no_wrap=True)
            self.bar = Progress(
                TextColumn("[bold]{task.description}", table_column=whole),
                BarColumn(bar_width=16),
                TextColumn("step {task.completed}/{task.total} · " + figures, table_column=whole),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self.task = self.bar.add_task(
                f"stage {self.stage}", total=self.steps, completed=self.started_step, rate=0.0, loss=float("nan")
            )
            self.bar.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The bar stands aside for another one; the time spent does not count against samples/s."""
        started = time.perf_counter()
        if self.bar is not None:
            self.bar.stop()
        yield
        self.started_at += time.perf_counter() - started
        if self.bar is not None:
            self.bar.start()

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        if not trainer.is_global_zero or not optimizer_step_ended(trainer, index):
            return
        step = trainer.global_step
        seconds = time.perf_counter() - self.started_at
        rate = (step - self.started_step) * self.global_batch_size / seconds
        loss = module.last["loss"]
        if self.bar is not None:
            self.bar.update(self.task, completed=step, rate=rate, loss=loss)
        elif step == self.steps or step * 10 // self.steps > (step - 1) * 10 // self.steps:
            left = (self.steps - step) * self.global_batch_size / rate
            print(
                f"stage {self.stage}: step {step}/{self.steps} · {rate:.0f} samples/s · loss {loss:.3f} · "
                f"{left / 60:.1f} min left",
                file=sys.stderr,
                flush=True,
            )

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def on_train_end(self, trainer: Trainer, module: StageModule) -> None:
        self._stop()

    def on_exception(self, trainer: Trainer, module: StageModule, exception: BaseException) -> None:
        self._stop()
