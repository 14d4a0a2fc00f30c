"""What watches a stage: its figures, its progress bar, and the point to resume from."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from data_builders.files import atomic_write

from .module import StageModule


def optimizer_step_ended(trainer: Trainer, module: StageModule, index: int) -> bool:
    """Did this micro-batch complete an optimizer step?"""
    return (index + 1) % trainer.accumulate_grad_batches == 0


class MetricsLog(Callback):
    """Appends one row an optimizer step to the stage's metrics.jsonl, and the same figures to W&B.

    Rank 0 writes. Resuming drops the rows of steps that will be done again, so the file reads as if the run had never
    stopped.
    """

    def __init__(self, path: Path, stage: str, global_batch_size: int, samples: int, wandb_run: Any | None) -> None:
        self.path, self.stage, self.wandb_run = path, stage, wandb_run
        self.global_batch_size, self.samples = global_batch_size, samples
        self.clock = 0.0
        self.tokens = 0

    def on_train_start(self, trainer: Trainer, module: StageModule) -> None:
        self.clock, self.tokens = time.perf_counter(), module.tokens_seen
        if trainer.is_global_zero and self.path.exists():
            lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]  # what follows the last newline is torn
            kept = [line for line in lines if json.loads(line)["step"] <= trainer.global_step]
            with atomic_write(self.path) as file:
                file.writelines(line + "\n" for line in kept)

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        if not optimizer_step_ended(trainer, module, index):
            return
        now = time.perf_counter()
        seconds, self.clock = now - self.clock, now
        tokens, self.tokens = module.tokens_seen - self.tokens, module.tokens_seen
        step = trainer.global_step
        seen = min(step * self.global_batch_size, self.samples)
        row = {
            "kind": "train",
            "stage": self.stage,
            "step": step,
            "samples_seen": seen,
            **module.last,
            "loss_by_data_set": {k: v[0] / v[1] for k, v in module.data_set_loss.items() if v[1]},
            "samples_per_s": (seen - min((step - 1) * self.global_batch_size, self.samples)) / seconds,
            "tokens_per_s": tokens * trainer.world_size / seconds,
        }
        module.data_set_loss.clear()
        self.write(row)

    def write(self, row: dict) -> None:
        if int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) != 0:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self.wandb_run is not None:
            log_to_wandb(self.wandb_run, row)


def log_to_wandb(run: Any, row: dict) -> None:
    """One row of metrics.jsonl as W&B curves. Each stage has its own step axis, or points would be dropped."""
    stage = row["stage"]
    if row["kind"] == "train":
        axis = f"train/{stage}/step"
        figures = {f"train/{stage}/{k}": row[k] for k in ("loss", "grad_norm", "samples_per_s", "tokens_per_s")}
        figures |= {f"train/{stage}/lr/{part}": rate for part, rate in row["lr"].items()}
        figures |= {f"train/{stage}/loss/{name}": loss for name, loss in row["loss_by_data_set"].items()}
        run.log({axis: row["step"], **figures})
    elif row["kind"] == "eval":
        kind = "subset" if row["subset"] else "full"
        name = f"eval_{kind}/{row['task']}/{row['rule']}"
        run.log({f"eval_{kind}/samples_seen": row["samples_seen"], name: row["value"]})


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
            self.bar = Progress(
                SpinnerColumn(),
                TextColumn("[bold]{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("step {task.completed}/{task.total} · " + figures),
                TimeRemainingColumn(),
            )
            self.task = self.bar.add_task(
                f"stage {self.stage}", total=self.steps, completed=self.started_step, rate=0.0, loss=float("nan")
            )
            self.bar.start()

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        if not trainer.is_global_zero or not optimizer_step_ended(trainer, module, index):
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


class ResumePoint(Callback):
    """Saves the stage's state every N optimizer steps and when asked to stop; publishes it whole or not at all.

    A signal (Ctrl-C, SIGTERM, or SIGUSR1 as Slurm sends before the time limit) only sets a flag; the state is saved at
    the end of the step under way, and the stage stops there. A second Ctrl-C stops at once.
    """

    def __init__(self, folder: Path, every_steps: int, steps: int) -> None:
        self.folder, self.every_steps, self.steps = folder, every_steps, steps
        self.asked_to_stop = False
        self.stopped = False
        self._handlers: dict[int, Any] = {}

    @staticmethod
    def latest(folder: Path) -> Path | None:
        """The newest whole resume point in `folder`, or None."""
        found = sorted(folder.glob("step*.ckpt"))
        return found[-1] if found else None

    def on_train_start(self, trainer: Trainer, module: StageModule) -> None:
        def ask(number: int, frame: Any) -> None:
            if self.asked_to_stop and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.asked_to_stop = True

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            self._handlers[number] = signal.signal(number, ask)

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        if not optimizer_step_ended(trainer, module, index):
            return
        stop = self.asked_to_stop
        if trainer.world_size > 1:  # a signal may reach one rank only; all must stop at the same step
            flag = torch.tensor(int(stop), device=module.device)
            torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
            stop = bool(flag)
        step = trainer.global_step
        if step < self.steps and (stop or step % self.every_steps == 0):
            self.save(trainer)
        if stop and step < self.steps:
            self.stopped = True
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

    def on_exception(self, trainer: Trainer, module: StageModule, exception: BaseException) -> None:
        self._restore_handlers()

    @staticmethod
    def clear(folder: Path) -> None:
        """Remove all resume points: the stage is finished."""
        shutil.rmtree(folder, ignore_errors=True)


class SubsetEvaluation(Callback):
    """Asks a fixed subset of the questions every N optimizer steps, for the curves."""

    def __init__(self, every_steps: int, steps: int, ask: Callable[[int], list[dict]] | None, log: MetricsLog) -> None:
        """`ask(step)` returns the rows to log; it runs on rank 0 while the others wait (theirs is None)."""
        self.every_steps, self.steps, self.ask = every_steps, steps, ask
        self.metrics = log  # not `log`: Lightning sets that name on a callback

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        step = trainer.global_step
        if not optimizer_step_ended(trainer, module, index) or step % self.every_steps or step == self.steps:
            return
        if trainer.is_global_zero:
            module.eval()
            for row in self.ask(step):
                self.metrics.write(row)
            module.train()
        trainer.strategy.barrier("subset evaluation")
        self.metrics.clock = time.perf_counter()
