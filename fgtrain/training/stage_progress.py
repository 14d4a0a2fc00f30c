"""How far a stage is: a line every tenth of it and every minute, and the state for whoever shows it from outside."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback, Trainer

from data_builders.shared.progress import SECONDS_A_LINE, ProgressState, tell_progress
from data_builders.shared.terminal import say

from .module import StageModule, optimizer_step_ended


class StageProgress(Callback):
    """Stage, step, samples/s and time left."""

    def __init__(
        self, stage: str, steps: int, global_batch_size: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.stage, self.steps, self.global_batch_size, self.clock = stage, steps, global_batch_size, clock
        self.started_step, self.started_at, self.said = 0, 0.0, 0.0

    def on_train_start(self, trainer: Trainer, module: StageModule) -> None:
        self.started_step, self.started_at = trainer.global_step, self.clock()
        self.said = self.started_at
        if trainer.is_global_zero:
            tell_progress(ProgressState(f"stage {self.stage}", self.started_step, self.steps, "steps"), always=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The time spent inside does not count against samples/s."""
        started = self.clock()
        yield
        self.started_at += self.clock() - started

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        if not trainer.is_global_zero:
            return
        step, ended, due = trainer.global_step, optimizer_step_ended(trainer, index), self._due()
        if not ended and not due:  # a step of many micro-batches may take longer than a minute
            return
        rate = (step - self.started_step) * self.global_batch_size / max(self.clock() - self.started_at, 1e-9)
        loss = f" · loss {module.last['loss']:.3f}" if "loss" in module.last else ""
        note = f"{rate:.0f} samples/s{loss}"
        state = ProgressState(f"stage {self.stage}", step, self.steps, "steps", rate / self.global_batch_size, note)
        tell_progress(state, always=step == self.steps)
        tenth = ended and step * 10 // self.steps > (step - 1) * 10 // self.steps
        if due or tenth or (ended and step == self.steps):
            self.said = self.clock()
            left = f" · {state.seconds_left / 60:.1f} min left" if state.seconds_left is not None else ""
            say(f"stage {self.stage}: step {step}/{self.steps} · {note}{left}", file=sys.stderr)

    def _due(self) -> bool:
        return self.clock() - self.said >= SECONDS_A_LINE
