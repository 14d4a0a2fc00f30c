"""Questions in the middle of a stage, for the curves, and for what decides by them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from fgtrain.errors import SharedUserError, UserError

from .metrics_log import MetricsLog
from .module import StageModule, optimizer_step_ended
from .sharded import Sharded, averages_in_place, whole_model
from .stage_progress import StageProgress
from .working_copy import buffers


@dataclass(frozen=True)
class Verdict:
    """What a look at the answers comes to."""

    row: dict  # of metrics.jsonl
    best: bool = False  # the best so far: what has learnt is to be kept
    stop: str | None = None  # why the stage ends here


class Watch(Protocol):
    """Decides by the subset's answers; on rank 0 alone. Its verdicts are a function of what lies on disk."""

    keeps_best: bool  # so it wants the last step, too

    def begin(self, step: int) -> None:
        """The stage begins, or goes on, at a step; at 0 its start was asked just now. UserError: nothing to watch."""

    def verdict(self, step: int) -> Verdict:
        """After the subset was asked at this step."""

    def keep(self, step: int, learnt: dict[str, Tensor]) -> None:
        """Keep what has learnt by this step, in the place of what was kept before."""


class SubsetEvaluation(Callback):
    """Asks a fixed subset of the questions every N optimizer steps; a `watch` also before the first.

    A watch may end the stage: all ranks stop at the same step, and `stopped` says why.
    """

    def __init__(
        self,
        every_steps: int,
        steps: int,
        ask: Callable[[int, int, int], list[dict]],
        log: MetricsLog,
        progress: StageProgress,
        watch: Watch | None = None,
    ) -> None:
        """`ask(step, rank, ranks)` asks this process's share of the questions; on rank 0 it returns the rows to log."""
        self.every_steps, self.steps, self.ask = every_steps, steps, ask
        self.metrics = log  # not `log`: Lightning sets that name on a callback
        self.progress, self.watch = progress, watch
        self.stopped: str | None = None

    def on_train_start(self, trainer: Trainer, module: StageModule) -> None:
        if self.watch is None:
            return
        if trainer.global_step == 0:
            self._ask(trainer, module)
        shared(trainer, lambda: self.watch.begin(trainer.global_step))

    def on_train_batch_end(self, trainer: Trainer, module: StageModule, outputs: Any, batch: Any, index: int) -> None:
        step = trainer.global_step
        if not optimizer_step_ended(trainer, index) or not self._due(step):
            return
        self._ask(trainer, module)
        if self.watch is None:
            return
        verdict = shared(trainer, lambda: self.watch.verdict(step))
        if trainer.is_global_zero:
            self.metrics.tell([verdict.row])
        if verdict.best:
            mine, kept = trainer.is_global_zero, {}
            with averages_in_place(module):
                for name, values in _learnt(trainer, module):  # all ranks go through it together
                    if mine:
                        kept[name] = values.detach().to("cpu", copy=True).contiguous()
            shared(trainer, lambda: self.watch.keep(step, kept))
        if verdict.stop is not None and step < self.steps:
            self.stopped = verdict.stop
            trainer.should_stop = True

    def _due(self, step: int) -> bool:
        if step == self.steps:
            return self.watch is not None and self.watch.keeps_best
        return step % self.every_steps == 0

    def _ask(self, trainer: Trainer, module: StageModule) -> None:
        release_cached()
        with self.progress.paused(), whole_model(trainer, module):
            rows = self.ask(trainer.global_step, trainer.global_rank, trainer.world_size)
            if trainer.is_global_zero:
                self.metrics.tell(rows)
            trainer.strategy.barrier("subset evaluation")
        release_cached()


def shared(trainer: Trainer, find: Callable[[], Any]) -> Any:
    """What rank 0 finds, on all ranks; its UserError is raised by all of them as a SharedUserError."""
    found, fault = None, None
    if trainer.is_global_zero:
        try:
            found = find()
        except UserError as error:
            fault = str(error)
    found, fault = trainer.strategy.broadcast((found, fault))
    if fault is not None:
        raise SharedUserError(fault)
    return found


def _learnt(trainer: Trainer, module: StageModule) -> Iterator[tuple[str, Tensor]]:
    """(name in the LVLM, whole fp32 values) of all that has learnt, and of what checkpoints hold beside parameters."""
    if isinstance(trainer.strategy, Sharded):
        yield from trainer.strategy.learnt()
    else:
        yield from ((name, value) for name, value in module.lvlm.named_parameters() if value.requires_grad)
    yield from buffers(module.lvlm).items()


def release_cached() -> None:
    """Give a GPU's free blocks back: those of training do not fit what asking wants, nor the reverse."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
