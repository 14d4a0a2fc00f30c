"""What changed on one task between two checkpoints: points, interval, exact test, and how much of it is form."""

from dataclasses import dataclass, replace

import numpy as np

from ..scoring.metrics import Measure
from ..scoring.statistics import difference_interval, holm, interval, mcnemar_counts, ratio, sums_by
from .answers import Answers
from .faults import FAULTS, NONE
from .floor import beyond
from .history import TaskHistory, aligned
from .run import primary
from .store import half_width


@dataclass(frozen=True)
class Part:
    """A part of a change, in points (negative: lost), with its 95 % interval."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Split:
    """A change divided: `form` + `knowledge` = the change of the mean score.

    An item that lost points counts by why its answer is now wrong, one that won points by why it was wrong before.
    `lost`: how the answers that got worse now miss the form (FAULTS; "none": they read well and are wrong).
    """

    form: Part
    knowledge: Part
    lost: dict[str, int]
    weighed: int  # items that lost or won points and whose log-probabilities told the reason
    moved: int  # items that lost or won points
    constant: str | None  # the answer that nearly every question got after the change


@dataclass(frozen=True)
class Change:
    """`after` minus `before` in points. Without answers on disk (`paired` false) there is no test and no split."""

    task: str
    before: float
    after: float
    low: float | None
    high: float | None
    n: int
    images: int
    paired: bool = False
    beyond: bool = True  # the higher of the two scores is clear of its chance level, or of 0
    worse: int = 0  # answers that lost points: for right and wrong, those that were right before
    better: int = 0
    p: float | None = None  # exact, two-sided, that as many got better as worse (McNemar's for right and wrong)
    p_holm: float | None = None  # adjusted over the tasks compared together
    split: Split | None = None

    @property
    def value(self) -> float:
        """Points that were gained; below 0 lost."""
        return self.after - self.before

    @property
    def clear(self) -> bool:
        """Is 0 outside the interval?"""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def counts(self) -> bool:
        """Whether it is clear, and of something that is not guessed."""
        return self.clear and self.beyond

    def to_json(self) -> dict:
        """As JSON files have it, with the split into form and knowledge where there is one."""
        plain = {key: value for key, value in vars(self).items() if key not in ("split", "task")}
        split = self.split and {
            "format": vars(self.split.form),
            "knowledge": vars(self.split.knowledge),
            **{key: getattr(self.split, key) for key in ("lost", "weighed", "moved")},
            "always": self.split.constant,
        }
        return {**plain, "change": self.value, "split": split}


def points(value: float, low: float, high: float, images: int) -> tuple[float | None, float | None]:
    """The ends of a difference of shares, in points, never closer than so many images can tell."""
    if not (np.isfinite(value) and np.isfinite(low) and np.isfinite(high)):
        return None, None
    low, high = difference_interval(value, low, high, images)
    return 100 * low, 100 * high


def ends_of_mean(values: np.ndarray, clusters: np.ndarray, address: tuple) -> tuple[float | None, float | None]:
    """The 95 % interval of a mean, in points; None, None where there is one image only."""
    sums = sums_by(clusters, np.stack([values, np.ones(len(values))], 1))
    if len(sums) < 2:
        return None, None
    return points(float(values.mean()), *interval(sums, ratio, address=address), len(sums))


def ends_of_measure(
    before: Measure, after: Measure, places: list, clusters: np.ndarray, address: tuple
) -> tuple[float | None, float | None]:
    """The same for a number that is no plain mean (F1, a mean of splits)."""
    width = before.columns_NC.shape[1]
    sums = sums_by(clusters, np.concatenate([before.columns_NC[places[0]], after.columns_NC[places[1]]], 1))
    if len(sums) < 2:
        return None, None

    def moved(totals: np.ndarray) -> np.ndarray:
        return after.statistic(totals[..., width:]) - before.statistic(totals[..., :width])

    return points(float(moved(sums.sum(0))), *interval(sums, moved, address=address), len(sums))


def compare_answers(task: str, before: Answers, after: Answers, scores: tuple[dict, dict]) -> Change | None:
    """Two models on the same questions. `scores`: their numbers on record. None where they share no question."""
    pair = aligned(task, [before, after])
    return change_of(pair, 0, 1, scores) if pair else None


def change_of(history: TaskHistory, first: int, second: int, scores: tuple[dict, dict]) -> Change:
    """From one checkpoint of a history to another."""
    task, (a, b) = history.task, (history.answers[first], history.answers[second])
    places = [history.places[first], history.places[second]]
    old, new = a.scores[places[0]].astype(float), b.scores[places[1]].astype(float)
    clusters, moved = history.clusters, new - old
    if a.measure is None or b.measure is None or len(old) < max(len(a.ids), len(b.ids)):
        low, high = ends_of_mean(moved, clusters, (task,))
    else:
        low, high = ends_of_measure(a.measure, b.measure, places, clusters, (task,))
    worse, better = int((moved < 0).sum()), int((moved > 0).sum())
    complete = len(old) == len(a.ids) == len(b.ids)
    values = [primary(one)["value"] for one in scores] if complete else [100 * old.mean(), 100 * new.mean()]
    return Change(
        task=task,
        before=float(values[0]),
        after=float(values[1]),
        low=low,
        high=high,
        n=len(old),
        images=len(np.unique(clusters)),
        paired=True,
        beyond=beyond(scores[int(values[1] > values[0])]),
        worse=worse,
        better=better,
        p=mcnemar_counts(worse, better),
        split=split_of(moved, a, b, places, clusters, task),
    )


def split_of(moved: np.ndarray, a: Answers, b: Answers, places: list, clusters: np.ndarray, task: str) -> Split:
    why = np.where(moved < 0, b.faults[places[1]], a.faults[places[0]])
    weighed = np.where(moved < 0, b.weighed[places[1]], a.weighed[places[0]])
    form = np.where(why != NONE, moved, 0.0)
    knowledge = moved - form
    lost = np.bincount(why[moved < 0], minlength=len(FAULTS))
    parts = [
        Part(100 * float(one.mean()), *ends_of_mean(one, clusters, (task, name)))
        for name, one in (("form", form), ("knowledge", knowledge))
    ]
    return Split(
        *parts,
        lost={FAULTS[number]: int(count) for number, count in enumerate(lost) if count},
        weighed=int((weighed & (moved != 0)).sum()),
        moved=int((moved != 0).sum()),
        constant=b.constant,
    )


def unpaired(task: str, before: dict, after: dict) -> Change:
    """From the scores on record alone, as if the two models had been asked different questions."""
    a, b = primary(before), primary(after)
    wide = (half_width(a) ** 2 + half_width(b) ** 2) ** 0.5
    value = b["value"] - a["value"]
    n, images = min(int(a.get("n") or 0), int(b.get("n") or 0)), int(after.get("images") or 0)
    low, high = max(value - wide, -100.0), min(value + wide, 100.0)
    return Change(task, a["value"], b["value"], low, high, n, images, beyond=beyond((before, after)[int(value > 0)]))


def with_holm(changes: list[Change]) -> list[Change]:
    """p values adjusted over the tasks that were tested."""
    tested = [one for one in changes if one.p is not None]
    adjusted = dict(zip((one.task for one in tested), holm([one.p for one in tested]), strict=True))
    return [replace(one, p_holm=adjusted.get(one.task)) for one in changes]
