"""How far a stage is: a line every tenth of it, and the state for whoever shows it from outside."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback, Trainer

from data_builders.shared.progress import ProgressState, tell_progress

from .module import StageModule, optimizer_step_ended


class StageProgress(Callback):
    """Stage, step, samples/s and time left."""

    def __init__(self, stage: str, steps: int, global_batch_size: int) -> None:
        self.stage, self.steps, self.global_batch_size = stage, steps, global_batch_size
        self.started_step, self.started_at = 0, 0.0

    def on_train_start(self, trainer: Trainer, module: StageModule) -> None:
        self.started_step, self.started_at = trainer.global_step, time.perf_counter()
        if trainer.is_global_zero:
            tell_progress(ProgressState(f"stage {self.stage}", self.started_step, self.steps, "steps"), always=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The time spent inside does not count against samples/s."""
        started = time.perf_counter()
        yield
        self.started_at += time.perf_counter() - started

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        if not trainer.is_global_zero or not optimizer_step_ended(trainer, index):
            return
        step = trainer.global_step
        seconds = time.perf_counter() - self.started_at
        rate = (step - self.started_step) * self.global_batch_size / seconds
        loss = module.last["loss"]
        note = f"{rate:.0f} samples/s · loss {loss:.3f}"
        state = ProgressState(f"stage {self.stage}", step, self.steps, "steps", rate / self.global_batch_size, note)
        tell_progress(state, always=step == self.steps)
        if step == self.steps or step * 10 // self.steps > (step - 1) * 10 // self.steps:
            left = (self.steps - step) * self.global_batch_size / rate
            print(
                f"stage {self.stage}: step {step}/{self.steps} · {note} · {left / 60:.1f} min left",
                file=sys.stderr,
                flush=True,
            )
