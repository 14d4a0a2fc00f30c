"""The answers of all runs of a comparison, read once each; and sums over them with their intervals."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..held_out.sides import Sides
from ..scoring.statistics import ImageBootstrap, unlike_share
from ..shared.sweeps import beside
from .answers import Answers, read_answers
from .floor import ever_beyond, floor
from .run import Checkpoint, Run, is_accuracy, known, primary

Z95 = 1.959964
SHARES = (0.0, 100.0)
ALIKE = 1e-7  # points: an influence smaller than that is none
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
    beyond: bool = True  # of a change: the higher mean is clear of the tasks' mean chance level

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0

    @property
    def counts(self) -> bool:
        """Whether it is clear, and of something that is not guessed."""
        return self.clear and self.beyond

    def to_json(self) -> dict:
        """As JSON files have it."""
        return {name: getattr(self, name) for name in ("value", "low", "high", "n", "tasks", "paired", "beyond")}


class ItemStore:
    """Reads each answers file once and numbers the images over all of them."""

    def __init__(self) -> None:
        self._read: dict[tuple, Answers | None] = {}
        self._clusters: dict[str, int] = {}
        self._bootstraps: dict[int, ImageBootstrap] = {}

    def file(self, path: Path, score: dict, task: str, part: tuple[str, Sides | None] | None = None) -> Answers | None:
        """The answers of one file, scored as `score` (a TaskScore) is. Runs that share a stage share its files.

        `part`: only those about seen or unseen categories, or the spread of wordings, see `read_answers`.
        """
        rule, root = primary(score)["rule"], str(score.get("image_root") or "")
        key = (path.resolve(), task, rule, part and (part[0], part[1] and part[1].identity))
        if key not in self._read:
            self._read[key] = read_answers(path, task, rule, root, self._clusters, part) if path.exists() else None
        return self._read[key]

    def answers(self, run: Run, checkpoint: Checkpoint, task: str) -> Answers | None:
        """The task's answers at a checkpoint; None when there is no answers file or it does not give the score."""
        score = checkpoint.tasks.get(task)
        if score is None or not is_accuracy(score) or not known(primary(score)["value"]):
            return None
        if not score.get("answers_give", True):  # answers are read for a task's first number alone
            return None
        part = (score["part"]["name"], run.sides.get(task)) if "part" in score else None
        answers = self.file(run.answers_file(checkpoint.name, task), score, task, part)
        # Only items that give the reported score may speak for it.
        if answers is None or not abs(answers.value - primary(score)["value"]) <= TOLERANCE:
            return None
        return answers

    def estimate(
        self,
        terms: Iterable[tuple[float, Run, Checkpoint, str]],
        tasks: int,
        ends: tuple[float, float] = (-100.0, 100.0),
    ) -> Estimate:
        """The weighted sum of scores (in points) over (weight, run, checkpoint, task), images resampled for all of
        them together; where answers are missing, the scores' own intervals count as independent. `ends`: what the sum
        cannot leave."""
        value, apart, paired = 0.0, 0.0, True
        found: dict[str, list[tuple[float, Answers]]] = {}
        counted: dict[str, int] = {}
        for weight, run, checkpoint, task in terms:
            score = primary(checkpoint.tasks[task])
            value += weight * score["value"]
            counted[task] = int(score.get("n") or 0)
            answers = self.answers(run, checkpoint, task)
            if answers is None:
                paired = False
                apart += (weight * half_width(score) / Z95) ** 2
            else:
                found.setdefault(task, []).append((weight, answers))
        influence = np.zeros(len(self._clusters))
        there = np.zeros(len(self._clusters), bool)
        for parts in found.values():
            own = np.zeros(len(influence))
            for weight, answers in parts:
                own += np.bincount(answers.clusters, weight * answers.influence, minlength=len(own))
                there[answers.clusters] = True
            if not np.abs(own).max(initial=0.0) > ALIKE:
                # every image alike: as sure of this task as so many images can make it
                images = len(np.unique(parts[0][1].clusters))
                apart += (100 * max(abs(weight) for weight, _ in parts) * unlike_share(images) / Z95) ** 2
            influence += own
        low, high = self._ends(influence[there])
        if apart:
            half = Z95 * (apart + ((high - low) / 2 / Z95) ** 2) ** 0.5
            low, high = -half, half
        low, high = max(value + low, min(value, ends[0])), min(value + high, max(value, ends[1]))
        return Estimate(value, low, high, sum(counted.values()), tasks, paired)

    def _ends(self, influence_K: np.ndarray) -> tuple[float, float]:
        if not np.abs(influence_K).max(initial=0.0) > ALIKE:
            return 0.0, 0.0
        bootstrap = self._bootstraps.setdefault(len(influence_K), ImageBootstrap(len(influence_K)))
        low, high = bootstrap.ends(influence_K)
        return (low, high) if low == low else (-100.0, 100.0)  # a single image tells nothing


def shared_tasks(run: Run, group: str) -> list[str]:
    """Accuracy tasks of a group that every checkpoint of the run has a number for: only these give fair means."""
    names = [t for t, s in run.last.tasks.items() if s["group"] == group and is_accuracy(s)]
    return [t for t in names if all(t in c.tasks and known(primary(c.tasks[t])["value"]) for c in run.checkpoints)]


def group_mean(store: ItemStore, run: Run, checkpoint: Checkpoint, group: str) -> Estimate | None:
    """Mean over the group's tasks at one checkpoint, every task with equal weight."""
    tasks = shared_tasks(run, group)
    if not tasks:
        return None
    return store.estimate([(1 / len(tasks), run, checkpoint, t) for t in tasks], len(tasks), SHARES)


def mean_change(store: ItemStore, run: Run, before: Checkpoint, after: Checkpoint, tasks: list[str]) -> Estimate | None:
    """Mean change of the tasks from one checkpoint to another, in points."""
    if not tasks:
        return None
    weight = 1 / len(tasks)
    terms = [(sign * weight, run, c, t) for t in tasks for sign, c in ((1, after), (-1, before))]
    found = store.estimate(terms, len(tasks))
    higher = after if found.value > 0 else before
    mean = store.estimate([(weight, run, higher, task) for task in tasks], len(tasks), SHARES)
    return replace(found, beyond=mean.low > weight * sum(floor(higher.tasks[task]) for task in tasks))


def best_checkpoint(run: Run, task: str, until: int | None = None) -> Checkpoint:
    """The checkpoint at which the task stood highest (the latest of equals), of the first `until` or of all; other
    shares of the last one's merge do not come before it.
    """
    points = [one for one in run.checkpoints[:until] if not beside(one.name, run.checkpoints[:until][-1].name)]
    return max(reversed(points), key=lambda c: primary(c.tasks[task])["value"])


def forgetting(store: ItemStore, run: Run, tasks: list[str], until: int | None = None) -> Estimate | None:
    """Mean of best-so-far minus now over the tasks that had something to forget (`floor`), in points: never negative.

    None where no task had: not measured, or nothing there. `until`: as if the run ended there.
    """
    points = run.checkpoints[:until]
    tasks = [task for task in tasks if ever_beyond(points, task)]
    if not tasks:
        return None
    weight, now = 1 / len(tasks), points[-1]
    n = sum(int(primary(now.tasks[task]).get("n") or 0) for task in tasks)
    terms = []
    for task in tasks:
        best = best_checkpoint(run, task, until)
        terms += [(weight, run, best, task), (-weight, run, now, task)] if best is not now else []
    if not terms:  # every task at its best: how much may be lost all the same, so many images tell
        unlike = [unlike_share(images_of(now.tasks[task])) for task in tasks]
        return Estimate(0.0, 0.0, min(100.0, 100 * weight * sum(one**2 for one in unlike) ** 0.5), n, len(tasks))
    return replace(store.estimate(terms, len(tasks)), n=n)


def half_width(score: dict) -> float:
    """Half of a score's interval, in points; where it has none anything is possible."""
    ends = (score.get("low"), score.get("high"))
    return (ends[1] - ends[0]) / 2 if all(map(known, ends)) else 100.0


def images_of(task_score: dict) -> int:
    return int(task_score.get("images") or task_score.get("n") or 0)
