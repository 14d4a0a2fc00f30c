"""Where a stage that was stopped goes on."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from .module import StageModule, optimizer_step_ended
from .stopping import STOP_SIGNALS, asked_late


class ResumePoint(Callback):
    """Saves the stage's state every N optimizer steps and when asked to stop; publishes it whole or not at all.

    A signal (Ctrl-C, SIGTERM, or SIGUSR1 as Slurm sends before the time limit) only sets a flag; the state is saved at
    the end of the step under way, and the stage stops there. A second Ctrl-C stops at once.
    """

    def __init__(self, folder: Path, every_steps: int, steps: int) -> None:
        self.folder, self.every_steps, self.steps = folder, every_steps, steps
        self.asked_by: str | None = None  # the signal
        self.stopped = False
        self._handlers: dict[int, Any] = {}

    @staticmethod
    def latest(folder: Path) -> Path | None:
        """The newest whole resume point in `folder`, or None."""
        found = sorted(folder.glob("step*.ckpt"))
        return found[-1] if found else None

    def on_train_start(self, trainer: Trainer, module: StageModule) -> None:
        def ask(number: int, frame: Any) -> None:
            if self.asked_by and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.asked_by = self.asked_by or signal.Signals(number).name

        if trainer.global_step and trainer.is_global_zero:
            print(f"going on from step {trainer.global_step} of {self.steps}, saved in {self.folder}", flush=True)
        for number in (signal.SIGINT, *STOP_SIGNALS):
            self._handlers[number] = signal.signal(number, ask)

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        if not optimizer_step_ended(trainer, index):
            return
        stop = self.asked_by is not None
        if trainer.world_size > 1:  # a signal may reach one rank only; all must stop at the same step
            flag = torch.tensor(int(stop), device=module.device)
            torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
            stop = bool(flag)
        step = trainer.global_step
        if step < self.steps and (stop or step % self.every_steps == 0):
            self.save(trainer)
        if stop and step < self.steps:
            self.stopped = True
            self.asked_by = self.asked_by or "a signal to another process"
            trainer.should_stop = True

    def save(self, trainer: Trainer) -> None:
        """Write step<N>.ckpt: temporary file, fsync, rename; then remove the older ones."""
        final = self.folder / f"step{trainer.global_step:08d}.ckpt"
        temporary = self.folder / f".{final.name}.tmp"
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
        trainer.save_checkpoint(temporary)
        if trainer.is_global_zero:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, final)
            for older in self.folder.glob("step*.ckpt"):
                if older != final:
                    older.unlink()
        trainer.strategy.barrier("resume point")

    def on_train_end(self, trainer: Trainer, module: StageModule) -> None:
        self._restore_handlers()
        if self.asked_by and not self.stopped:
            asked_late(self.asked_by)

    def on_exception(self, trainer: Trainer, module: StageModule, exception: BaseException) -> None:
        self._restore_handlers()

    @staticmethod
    def clear(folder: Path) -> None:
        """Remove all resume points: the stage is finished."""
        shutil.rmtree(folder, ignore_errors=True)
