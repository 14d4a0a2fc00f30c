"""Metrics as sums over images: a few columns per question, added up per image, and a function of the totals.

In that form one resampling of images serves every metric of a task, ratios and F1 included.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .statistics import ratio

Statistic = Callable[[np.ndarray], np.ndarray]  # totals [..., C] -> [...]


@dataclass(frozen=True)
class Measure:
    """One number: `statistic` of the column totals. `per_image` first maps an image's sums [K, C] to others."""

    metric: str
    columns_NC: np.ndarray
    statistic: Statistic
    unit: str = "percent"
    per_image: Callable[[np.ndarray], np.ndarray] | None = None


def accuracy(scores: Sequence[float]) -> Measure:
    """Mean score of the questions (a share for right/wrong rules, mean ANLS for graded ones)."""
    return Measure("accuracy", np.stack([np.asarray(scores, float), np.ones(len(scores))], axis=1), ratio)


def accuracy_by_image(scores: Sequence[float]) -> Measure:
    """Share of images whose questions are all right: what FG-BMK's script prints as overall accuracy."""

    def all_right(sums_K2: np.ndarray) -> np.ndarray:
        return np.stack([sums_K2[:, 0] >= sums_K2[:, 1] - 1e-9, np.ones(len(sums_K2))], axis=1)

    return Measure("accuracy_by_image", accuracy(scores).columns_NC, ratio, per_image=all_right)


def per_category(categories: Iterable[str], scores: Iterable[float]) -> dict[str, list[float]]:
    """category -> [sum of scores, questions], categories in alphabetical order."""
    table: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
    for category, score in zip(categories, scores, strict=True):
        table[category][0] += score
        table[category][1] += 1
    return dict(sorted(table.items()))


def pope_counts(labels: Sequence[str | None], golds: Sequence[str]) -> np.ndarray:
    """Columns TP, FP, TN, FN (positive = yes), one row a question."""
    said, gold = np.asarray([label == "yes" for label in labels]), np.asarray([one == "yes" for one in golds])
    return np.stack([said & gold, said & ~gold, ~said & ~gold, ~said & gold], axis=1).astype(float)


def share(above: Sequence[int], below: Sequence[int], factors: Sequence[float] = (1, 1, 1, 1)) -> Statistic:
    """(weighted) sum of the columns `above` over that of the columns `below`; NaN where that is zero."""
    weights = np.asarray(factors, float)

    def statistic(totals: np.ndarray) -> np.ndarray:
        weighted = totals * weights
        return ratio(np.stack([weighted[..., list(above)].sum(-1), weighted[..., list(below)].sum(-1)], axis=-1))

    return statistic


def pope_measures(labels: Sequence[str | None], golds: Sequence[str]) -> list[Measure]:
    """POPE's five numbers. Where its script would divide by zero the value is NaN."""
    counts = pope_counts(labels, golds)
    tp, fp, tn, fn = range(4)
    return [
        Measure("accuracy", counts, share([tp, tn], [tp, fp, tn, fn])),
        Measure("precision", counts, share([tp], [tp, fp])),
        Measure("recall", counts, share([tp], [tp, fn])),
        # 2 TP / (2 TP + FP + FN) is the harmonic mean; undefined like it where there is no true positive
        Measure("f1", counts, lambda totals: np.where(totals[..., tp] > 0, f1(totals), np.nan)),
        Measure("yes_ratio", counts, share([tp, fp], [tp, fp, tn, fn])),
    ]


f1 = share([0], [0, 1, 3], factors=(2, 1, 1, 1))


def frow_measures(item_scores: Sequence[float], fact_scores: Sequence[float]) -> list[Measure]:
    """FROW's percentages: final = sum(item + fact) / 5N, recognition = sum(item) / 2N, content = sum(fact) / 3N."""
    item, fact = np.asarray(item_scores, float), np.asarray(fact_scores, float)
    ones = np.ones(len(item))

    def measure(name: str, points: np.ndarray, most: float) -> Measure:
        return Measure(name, np.stack([points, ones * most], axis=1), ratio)

    return [measure("final", item + fact, 5), measure("recognition", item, 2), measure("content", fact, 3)]


def perplexity(log_likelihoods: Sequence[float], tokens: Sequence[int]) -> Measure:
    """exp of the mean negative log-likelihood per predicted token, over all texts together."""
    columns = np.stack([-np.asarray(log_likelihoods, float), np.asarray(tokens, float)], axis=1)

    def statistic(totals: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.exp(ratio(totals))

    return Measure("perplexity", columns, statistic, unit="perplexity")
