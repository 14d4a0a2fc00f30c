"""Where a stage that was stopped goes on."""

import shutil
import signal
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from data_builders.shared.terminal import say
from fgtrain.errors import SharedUserError

from .module import StageModule, optimizer_step_ended
from .resume_files import PointFiles, points, publish
from .stop_signals import STOP_SIGNALS, asked_late


class ResumePoint(Callback):
    """Saves the stage's state every N optimizer steps and when asked to stop; publishes it whole or not at all.

    A signal (Ctrl-C, SIGTERM, or SIGUSR1 as Slurm sends before the time limit) only sets a flag; the state is saved at
    the end of the step under way, and the stage stops there. A second Ctrl-C stops at once.
    """

    def __init__(self, folder: Path, every_steps: int, steps: int, files: PointFiles, strategy: str) -> None:
        """`strategy`: what the manifest calls it (see resume_files)."""
        self.folder, self.every_steps, self.steps = folder, every_steps, steps
        self.files, self.strategy = files, strategy
        self.asked_by: str | None = None  # the signal
        self.stopped = False
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, module: StageModule) -> None:
        def ask(number: int, frame: Any) -> None:
            if self.asked_by and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.asked_by = self.asked_by or signal.Signals(number).name

        if trainer.global_step and trainer.is_global_zero:
            say(f"going on from step {trainer.global_step} of {self.steps}, saved in {self.folder}")
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
        if step == self.steps or trainer.should_stop:  # a watch has ended the stage: this was its last step
            return
        if stop or step % self.every_steps == 0:
            self.save(trainer)
        if stop:
            self.stopped = True
            self.asked_by = self.asked_by or "a signal to another process"
            trainer.should_stop = True

    def save(self, trainer: Trainer) -> None:
        """Write step<N>/ under another name, every rank its files; rank 0 publishes it whole and drops the oldest.

        SharedUserError, with the older points untouched, when one of them could not write.
        """
        step = trainer.global_step
        final = self.folder / f"step{step:08d}"
        temporary = self.folder / f".{final.name}.writing"
        self.files.begin()
        if trainer.is_global_zero:
            self._prepare(temporary)
        trainer.strategy.barrier("resume point prepared")
        trainer.save_checkpoint(temporary)
        written, faults = self._gather(trainer)
        if trainer.is_global_zero and not faults:
            manifest = {"step": step, "strategy": self.strategy, "ranks": trainer.world_size, "files": written}
            try:
                publish(temporary, final, manifest)
            except OSError as error:
                faults.append(str(error))
        faults = trainer.strategy.broadcast(faults)
        if faults:
            if trainer.is_global_zero:
                shutil.rmtree(temporary, ignore_errors=True)
            last = next((f"{point} is the last good one" for point in points(self.folder)), "there is none before it")
            raise SharedUserError(
                f"resume point of step {step} could not be written ({faults[0]}); {last}. Make room there"
            )

    def _prepare(self, temporary: Path) -> None:
        try:
            for left in self.folder.glob(".step*.writing"):
                shutil.rmtree(left)
            temporary.mkdir(parents=True)
        except OSError as error:
            self.files.error = error

    def _gather(self, trainer: Trainer) -> tuple[dict[str, Any], list[str]]:
        """(facts of every file, faults) of all ranks."""
        own = (self.files.written, str(self.files.error) if self.files.error is not None else None)
        found = [own] * trainer.world_size
        if trainer.world_size > 1:
            torch.distributed.all_gather_object(found, own)
        return {k: v for files, _ in found for k, v in files.items()}, [fault for _, fault in found if fault]

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
