"""Watches a stage by what the subset answers: when it stops early, and which of its checkpoints is the best."""

from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from data_builders.shared.files import atomic_path, refuse_limit, write_json
from evaluation.scoring.certain_loss import AskedTwice, certain_loss, image_losses
from evaluation.tasks.task import Task
from fgtrain.errors import UserError
from fgtrain.plan import StagePlan
from fgtrain.recipe import Recipe
from fgtrain.runs.forgetting import FINE_GRAINED, GENERAL
from fgtrain.runs.groups import tasks_of_group
from fgtrain.runs.watched import WATCH, best_look, read_watch, watch_row, why_stopped
from fgtrain.training.subset import Verdict

from .answer_scores import scores_of

RISK = 0.05  # that a stage which has forgotten no more than it may is stopped, over all its looks
LEARNT = "learnt-step{:08d}.safetensors"  # in the store: what had learnt at the best look so far


class StageWatch:
    """The `training.subset.Watch` of a stage. `watch.json` in its store holds all looks so far."""

    def __init__(self, recipe: Recipe, planned: StagePlan, tasks: list[Task], folder: Path) -> None:
        """`tasks`: the recipe's; `folder`: where step*/ hold the subset's answers."""
        self.stage, self.planned, self.folder = recipe.stages[planned.name], planned, folder
        self.store = recipe.stage_store(planned.fingerprint)
        self.subset, self.place = recipe.evaluation.subset, f"stages.{planned.name}"
        self.keeps_best = self.stage.keep_best is not None
        self.general = tasks_of_group(recipe, tasks, GENERAL)
        self.fine = tasks_of_group(recipe, tasks, FINE_GRAINED)

    def begin(self, step: int) -> None:
        """Forget looks at steps that will be done again."""
        self.before = {task.name: self._scores(task, 0) for task in (*self.general, *self.fine)}
        known = read_watch(self.store) or {"looks": []}
        self._write([look for look in known["looks"] if look["step"] <= step])

    def verdict(self, step: int) -> Verdict:
        """What the answers of this step come to."""
        watch = read_watch(self.store)
        looks = [look for look in watch["looks"] if look["step"] < step]
        look = self._look(step)
        over = look["at_least"] is not None and look["at_least"] > self.stage.stop_when.forgetting
        watch = self._write([*looks, look], step if over and step < self.planned.steps else None)
        best = self.keeps_best and best_look(watch) is look
        return Verdict(watch_row(self.planned.name, watch, look), best, why_stopped(watch, look))

    def keep(self, step: int, learnt: dict[str, Tensor]) -> None:
        """In the place of what was kept of an earlier step. UserError when the disk is full."""
        path = self.store / LEARNT.format(step)
        try:
            with atomic_path(path) as temporary:
                save_file(learnt, temporary)
        except OSError as error:
            refuse_limit(error, path)
            raise
        for other in self.store.glob(LEARNT.replace("{:08d}", "*")):
            if other != path:
                other.unlink()

    def _write(self, looks: list[dict[str, Any]], stopped_at: int | None = None) -> dict[str, Any]:
        stop, best, watch = self.stage.stop_when, self.stage.keep_best, self.planned.watch
        values = {
            "of_steps": self.planned.steps,
            "limit": stop.forgetting if stop is not None else None,
            "risk": RISK,
            "looks_planned": watch.looks,
            "weights": best.model_dump() if best is not None else None,
            "looks": looks,
            "stopped_at": stopped_at,
        }
        write_json(self.store / WATCH, values)
        return values

    def _look(self, step: int) -> dict[str, Any]:
        """Points lost on general tasks and gained on fine-grained ones since the stage began, tasks counting alike."""
        forgetting = at_least = gain = worth = None
        if self.general:
            lost = image_losses({task.name: self._asked_twice(task, step) for task in self.general})
            forgetting = 100 * lost.mean
            if self.stage.stop_when is not None:
                at_least = 100 * certain_loss(lost, RISK / self.planned.watch.looks)
        if self.fine:
            gain = -100 * image_losses({task.name: self._asked_twice(task, step) for task in self.fine}).mean
        if (best := self.stage.keep_best) is not None:
            worth = best.gain * (gain or 0.0) - best.forgetting * (forgetting or 0.0)
        samples = min(step * self.stage.global_batch_size, self.planned.samples)
        figures = {"forgetting": forgetting, "at_least": at_least, "gain": gain, "worth": worth}
        return {"step": step, "samples_seen": samples, **figures}

    def _asked_twice(self, task: Task, step: int) -> AskedTwice:
        before, after = self.before[task.name], self._scores(task, step)
        ids = [one for one in before if one in after]
        if not ids:
            raise UserError(f"{self._path(task, step)} answers none of the questions of the stage's start")
        return AskedTwice(
            [before[one][0] for one in ids], [before[one][1] for one in ids], [after[one][1] for one in ids]
        )

    def _scores(self, task: Task, step: int) -> dict[int | str, tuple[str, float]]:
        """As `scores_of`. UserError where nothing was answered."""
        found = scores_of(task, self._path(task, step), self.subset)
        if not found:
            raise UserError(
                f"{self._path(task, step)} holds no answer, and stage {self.planned.name} is compared with it. Remove "
                f"{self.store} to begin the stage anew"
            )
        return found

    def _path(self, task: Task, step: int) -> Path:
        return self.folder / f"step{step:08d}" / task.file_name
