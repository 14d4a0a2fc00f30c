"""Item by item: which answers are right at which checkpoint, and how sure a change between two of them is.

Intervals are for paired answers to the same questions, clustered by image: several questions about one picture are not
several independent witnesses. They are the first-order (delta method) form of the clustered bootstrap.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from data_builders.errors import UserError

from .engine import rows_on_disk
from .ledger import WORDS, transition
from .report_data import Checkpoint, Run, is_accuracy, known, primary
from .scoring import RIGHT, item_scores
from .task import task_without_items

Z95 = 1.959964


@dataclass(frozen=True)
class Items:
    """The answers to one task at one checkpoint: rows by question id, credit in [0, 1] for each, and its cluster."""

    rows: dict[str, dict]
    credit: np.ndarray  # (items,)
    clusters: np.ndarray  # (items,), numbers that mean the same image in all tasks of the report

    @cached_property
    def right(self) -> dict[str, bool]:
        """Question id -> right, where half the credit or more counts as right."""
        return {key: bool(value >= RIGHT) for key, value in zip(self.rows, self.credit, strict=True)}


@dataclass(frozen=True)
class Estimate:
    """A number in points with its 95 % interval; `n` answers, `tasks` tasks; `paired`: the same items compared."""

    value: float
    low: float
    high: float
    n: int
    tasks: int
    paired: bool = True

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


class ItemStore:
    """Reads each answers file once and numbers the images over all of them."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str, str], Items | None] = {}
        self._clusters: dict[str, int] = {}

    def items(self, run: Run, checkpoint: Checkpoint, task: str) -> Items | None:
        """The task's items at a checkpoint; None when there is no answers file or it does not give the score."""
        key = (str(run.folder), checkpoint.name, task)
        if key not in self._items:
            self._items[key] = self._read(run, checkpoint, task)
        return self._items[key]

    def _read(self, run: Run, checkpoint: Checkpoint, task: str) -> Items | None:
        path, score = run.answers_file(checkpoint.name, task), checkpoint.tasks.get(task)
        if score is None or not is_accuracy(score) or not path.exists():
            return None
        rows = {str(row.get("question_id")): row for row in rows_on_disk(path)}
        scores = _item_scores(task, path, list(rows.values()))
        value = primary(score)["value"]
        # Only items whose mean is the reported score may speak for it.
        if not scores or not known(value) or abs(100 * np.mean(scores) - value) > 0.05:
            return None
        images = [f"{score.get('image_root')}\x1f{row.get('image') or (task, key)}" for key, row in rows.items()]
        clusters = np.array([self._clusters.setdefault(image, len(self._clusters)) for image in images])
        return Items(rows, np.array(scores), clusters)

    def estimate(self, terms: Iterable[tuple[float, Run, Checkpoint, str]], tasks: int) -> Estimate:
        """The weighted sum of scores (in points) over (weight, run, checkpoint, task) with its interval."""
        value, variance, paired = 0.0, 0.0, True
        terms = list(terms)
        read = [
            (weight, checkpoint, task, self.items(run, checkpoint, task)) for weight, run, checkpoint, task in terms
        ]
        influence = np.zeros(len(self._clusters))
        counted: dict[str, int] = {}
        for weight, checkpoint, task, items in read:
            score = primary(checkpoint.tasks[task])
            value += weight * score["value"]
            counted[task] = int(score.get("n") or 0)
            if items is None:
                paired = False
                half = ((score.get("high") or 0) - (score.get("low") or 0)) / 2
                variance += (weight * half / Z95) ** 2
            else:
                centred = 100 * weight * (items.credit - items.credit.mean()) / len(items.credit)
                influence += np.bincount(items.clusters, centred, minlength=len(influence))
        clusters = max(len(np.unique(np.concatenate([i.clusters for *_, i in read if i is not None] or [[0]]))), 2)
        variance += float((influence**2).sum()) * clusters / (clusters - 1)
        half, n = Z95 * variance**0.5, sum(counted.values())
        return Estimate(value, value - half, value + half, n, tasks, paired)


def shared_tasks(run: Run, group: str) -> list[str]:
    """Accuracy tasks of a group that every checkpoint of the run has a number for: only these give fair means."""
    names = [t for t, s in run.last.tasks.items() if s["group"] == group and is_accuracy(s)]
    return [t for t in names if all(t in c.tasks and known(primary(c.tasks[t])["value"]) for c in run.checkpoints)]


def group_mean(store: ItemStore, run: Run, checkpoint: Checkpoint, group: str) -> Estimate | None:
    """Mean over the group's tasks at one checkpoint, every task with equal weight."""
    tasks = shared_tasks(run, group)
    return store.estimate([(1 / len(tasks), run, checkpoint, t) for t in tasks], len(tasks)) if tasks else None


def change(store: ItemStore, run: Run, before: Checkpoint, after: Checkpoint, tasks: list[str]) -> Estimate | None:
    """Mean change of the tasks from one checkpoint to another, in points."""
    if not tasks:
        return None
    weight = 1 / len(tasks)
    terms = [(sign * weight, run, c, t) for t in tasks for sign, c in ((1, after), (-1, before))]
    return store.estimate(terms, len(tasks))


def best_checkpoint(run: Run, task: str) -> Checkpoint:
    """The checkpoint at which the task stood highest so far (the latest of equals)."""
    return max(reversed(run.checkpoints), key=lambda c: primary(c.tasks[task])["value"])


def forgetting(store: ItemStore, run: Run, tasks: list[str]) -> Estimate | None:
    """Mean over tasks of best-so-far minus now, in points: never negative."""
    if not tasks:
        return None
    weight = 1 / len(tasks)
    terms = [(sign * weight, run, c, t) for t in tasks for sign, c in ((1, best_checkpoint(run, t)), (-1, run.last))]
    return store.estimate(terms, len(tasks))


def ledger(store: ItemStore, run: Run, task: str) -> list[dict[str, int]] | None:
    """For each checkpoint but the first: how many items were learned (right for the first time), regained (right
    again), kept, forgotten since the checkpoint before, or stayed wrong. None when answers are missing."""
    items = [store.items(run, checkpoint, task) for checkpoint in run.checkpoints]
    if any(i is None for i in items):
        return None
    counts = [dict.fromkeys(WORDS, 0) for _ in items[1:]]
    for key in common_keys(items):
        history = [i.right[key] for i in items]
        for index in range(1, len(history)):
            counts[index - 1][transition(history[: index + 1])] += 1
    return counts


def common_keys(items: list[Items]) -> list[str]:
    """Ids of the questions that were answered at every checkpoint."""
    return [key for key in items[0].rows if all(key in i.rows for i in items)]


def _item_scores(task: str, path: Path, rows: list[dict]) -> list[float]:
    """Credit in [0, 1] of each row under the task's primary rule; empty for a task that this program does not know."""
    try:
        known_task = task_without_items(task)
    except UserError:
        return []
    try:
        scores = item_scores(known_task, rows)
        return [float(scores[row["question_id"]]) for row in rows]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: a row is no answer row ({type(error).__name__}: {error}); score it again") from None
