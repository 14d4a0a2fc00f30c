"""What share of each category's images a task got right, with the interval that so few images allow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..scoring.statistics import clopper_pearson
from .answers import Answers, rows_with_offsets

YES_NO = {"yes", "no"}


@dataclass(frozen=True)
class CategoryScore:
    """In percent, with Clopper and Pearson's 95 % interval over `images`. `each`: the values that it is the mean of,
    where there are several (seeds)."""

    name: str
    value: float
    low: float
    high: float
    images: int
    each: tuple[float, ...] = ()


class Categories:
    """Which category each question of a task is about. Every task's questions are read once, whoever answered them."""

    def __init__(self) -> None:
        self._known: dict[tuple, np.ndarray | None] = {}

    def of(self, task: str, answers: Answers) -> np.ndarray | None:
        """The category of each answer, in their order; None where the questions do not tell."""
        key = task, len(answers.ids), hash(tuple(answers.ids.tolist()))
        if key not in self._known:
            rows = {offset: (row.get("category"), row.get("gold")) for offset, row in rows_with_offsets(answers.path)}
            self._known[key] = told([rows[int(offset)] for offset in answers.offsets])
        return self._known[key]

    def scores(self, task: str, of_seeds: Sequence[Answers]) -> dict[str, CategoryScore]:
        """Category -> its score, as a mean over several answers to the same questions. An image's questions count as
        one, for their mean. Empty where the questions do not tell a category."""
        shares: dict[str, list[float]] = {}
        counts: dict[str, int] = {}
        for answers in of_seeds:
            names = self.of(task, answers)
            if names is None:
                return {}
            for name, share, images in zip(*by_category(names, answers), strict=True):
                shares.setdefault(name, []).append(share)
                counts[name] = max(counts.get(name, 0), images)
        means = np.asarray([sum(some) / len(some) for some in shares.values()])
        ends = clopper_pearson(means, np.asarray(list(counts.values())))
        return {
            name: CategoryScore(
                name, 100 * float(mean), 100 * float(low), 100 * float(high), counts[name],
                tuple(100 * one for one in shares[name]) if len(of_seeds) > 1 else (),
            )
            for name, mean, low, high in zip(shares, means, *ends, strict=True)
        }  # fmt: skip


def by_category(names: np.ndarray, answers: Answers) -> tuple[list[str], list[float], list[int]]:
    """(category, mean over its images of the share that is right, images) of each, as three lists."""
    categories, code = np.unique(names, return_inverse=True)
    images = int(answers.clusters.max()) + 1
    pairs, pair, times = np.unique(code * images + answers.clusters, return_inverse=True, return_counts=True)
    share = np.bincount(pair, answers.scores) / times
    category = pairs // images
    counts = np.bincount(category)
    return categories.tolist(), (np.bincount(category, share) / counts).tolist(), counts.tolist()


def told(rows: Sequence[tuple[object, object]]) -> np.ndarray | None:
    """The category of each (category, right answer): FG-BMK's own rows name the category in the first where they differ
    in it, and are otherwise asked for it."""
    for place in (0, 1):
        names = [one[place][0] if isinstance(one[place], list) and one[place] else one[place] for one in rows]
        if len(set(map(str, names))) > 1 and not {str(name).lower() for name in names} <= YES_NO:
            return np.asarray([str(name) for name in names])
    return None
