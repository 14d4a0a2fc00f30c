"""The answers of all runs of a comparison, read once each; and sums over them with their intervals."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..scoring.statistics import ImageBootstrap, share_interval
from .answers import Answers, read_answers
from .run import Checkpoint, Run, is_accuracy, known, primary

Z95 = 1.959964
TOLERANCE = 0.05  # points by which the answers may miss the score on record


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

    def to_json(self) -> dict:
        return {name: getattr(self, name) for name in ("value", "low", "high", "n", "tasks", "paired")}


class ItemStore:
    """Reads each answers file once and numbers the images over all of them."""

    def __init__(self) -> None:
        self._read: dict[tuple, Answers | None] = {}
        self._clusters: dict[str, int] = {}
        self._bootstraps: dict[int, ImageBootstrap] = {}

    def file(self, path: Path, score: dict, task: str) -> Answers | None:
        """The answers of one file, scored as `score` (a TaskScore) is. Runs that share a stage share its files."""
        rule, root = primary(score)["rule"], str(score.get("image_root") or "")
        key = (path.resolve(), task, rule)
        if key not in self._read:
            self._read[key] = read_answers(path, task, rule, root, self._clusters) if path.exists() else None
        return self._read[key]

    def answers(self, run: Run, checkpoint: Checkpoint, task: str) -> Answers | None:
        """The task's answers at a checkpoint; None when there is no answers file or it does not give the score."""
        score = checkpoint.tasks.get(task)
        if score is None or not is_accuracy(score) or not known(primary(score)["value"]):
            return None
        answers = self.file(run.answers_file(checkpoint.name, task), score, task)
        # Only items that give the reported score may speak for it.
        if answers is None or not abs(answers.value - primary(score)["value"]) <= TOLERANCE:
            return None
        return answers

    def estimate(self, terms: Iterable[tuple[float, Run, Checkpoint, str]], tasks: int) -> Estimate:
        """The weighted sum of scores (in points) over (weight, run, checkpoint, task), images resampled for all of
        them together; where answers are missing, the scores' own intervals count as independent."""
        value, apart, paired = 0.0, 0.0, True
        found: list[tuple[float, Answers]] = []
        counted: dict[str, int] = {}
        for weight, run, checkpoint, task in terms:
            score = primary(checkpoint.tasks[task])
            value += weight * score["value"]
            counted[task] = int(score.get("n") or 0)
            answers = self.answers(run, checkpoint, task)
            if answers is None:
                paired = False
                half = ((score.get("high") or 0) - (score.get("low") or 0)) / 2
                apart += (weight * half / Z95) ** 2
            else:
                found.append((weight, answers))
        influence = np.zeros(len(self._clusters))
        there = np.zeros(len(self._clusters), bool)
        for weight, answers in found:
            influence += np.bincount(answers.clusters, weight * answers.influence, minlength=len(influence))
            there[answers.clusters] = True
        low, high = self._ends(influence[there])
        if apart:
            half = Z95 * (apart + ((high - low) / 2 / Z95) ** 2) ** 0.5
            low, high = -half, half
        return Estimate(value, value + low, value + high, sum(counted.values()), tasks, paired)

    def _ends(self, influence_K: np.ndarray) -> tuple[float, float]:
        if not influence_K.any():
            return 0.0, 0.0
        bootstrap = self._bootstraps.setdefault(len(influence_K), ImageBootstrap(len(influence_K)))
        return bootstrap.ends(influence_K)


def shared_tasks(run: Run, group: str) -> list[str]:
    """Accuracy tasks of a group that every checkpoint of the run has a number for: only these give fair means."""
    names = [t for t, s in run.last.tasks.items() if s["group"] == group and is_accuracy(s)]
    return [t for t in names if all(t in c.tasks and known(primary(c.tasks[t])["value"]) for c in run.checkpoints)]


def group_mean(store: ItemStore, run: Run, checkpoint: Checkpoint, group: str) -> Estimate | None:
    """Mean over the group's tasks at one checkpoint, every task with equal weight."""
    tasks = shared_tasks(run, group)
    if not tasks:
        return None
    mean = store.estimate([(1 / len(tasks), run, checkpoint, t) for t in tasks], len(tasks))
    if mean.low == mean.high:  # every answer of every task wrong, or right: as sure as so many images make it
        found = [store.answers(run, checkpoint, task) for task in tasks]
        images = len(np.unique(np.concatenate([one.clusters for one in found if one is not None] or [[0]])))
        low, high = share_interval(round(mean.value / 100, 6), mean.low / 100, mean.high / 100, images)
        return replace(mean, low=100 * low, high=100 * high)
    return mean


def mean_change(store: ItemStore, run: Run, before: Checkpoint, after: Checkpoint, tasks: list[str]) -> Estimate | None:
    """Mean change of the tasks from one checkpoint to another, in points."""
    if not tasks:
        return None
    weight = 1 / len(tasks)
    terms = [(sign * weight, run, c, t) for t in tasks for sign, c in ((1, after), (-1, before))]
    return store.estimate(terms, len(tasks))


def best_checkpoint(run: Run, task: str, until: int | None = None) -> Checkpoint:
    """The checkpoint at which the task stood highest (the latest of equals), of the first `until` or of all."""
    return max(reversed(run.checkpoints[:until]), key=lambda c: primary(c.tasks[task])["value"])


def forgetting(store: ItemStore, run: Run, tasks: list[str], until: int | None = None) -> Estimate | None:
    """Mean over tasks of best-so-far minus now, in points: never negative. `until`: as if the run ended there."""
    if not tasks:
        return None
    weight, now = 1 / len(tasks), run.checkpoints[:until][-1]
    terms = []
    for task in tasks:
        best = best_checkpoint(run, task, until)
        terms += [(weight, run, best, task), (-weight, run, now, task)] if best is not now else []
    if not terms:
        n = sum(int(primary(now.tasks[task]).get("n") or 0) for task in tasks)
        return Estimate(0.0, 0.0, 0.0, n, len(tasks))
    found = store.estimate(terms, len(tasks))
    n = sum(int(primary(now.tasks[task]).get("n") or 0) for task in tasks)
    return Estimate(found.value, found.low, found.high, n, len(tasks), found.paired)
