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
    bounded: bool = True  # in 0..1; a difference is not


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


# Columns of the counts below. Positive = yes; the last two are answers that are neither.
TP, FP, TN, FN, NEITHER_YES, NEITHER_NO = range(6)
ALL = tuple(range(6))
# What each rule puts into a ratio: (metric, above, below). lmms-eval leaves answers that are neither out of precision
# and recall and takes the yes-ratio of the golds; VLMEvalKit counts them as a "no" that was wrong.
POPE_RATIOS = {
    "pope": {"recall": (TP, FN), "yes_ratio": (TP, FP)},
    "pope_lmms_eval": {"recall": (TP, FN), "yes_ratio": (TP, FN, NEITHER_YES)},
    "pope_vlmevalkit": {"recall": (TP, FN, NEITHER_YES), "yes_ratio": (TP, FP)},
}


def yes_no_counts(said: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """`said`: 1 yes, 0 no, -1 neither; `gold`: is it yes."""
    yes, no, neither = said == 1, said == 0, said == -1
    columns = [yes & gold, yes & ~gold, no & ~gold, no & gold, neither & gold, neither & ~gold]
    return np.stack(columns, axis=1).astype(float)


def share(above: Sequence[int], below: Sequence[int]) -> Statistic:
    """Sum of the columns `above` over that of the columns `below`. Where that is zero: 0 (precision without a yes),
    as lmms-eval, VLMEvalKit and scikit-learn define it; NaN where there are no questions at all."""

    def statistic(totals: np.ndarray) -> np.ndarray:
        part, whole = totals[..., list(above)].sum(-1), totals[..., list(below)].sum(-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(whole > 0, part / whole, 0.0)
        return np.where(totals.sum(-1) > 0, value, np.nan)

    return statistic


def f1_of(recall_below: Sequence[int]) -> Statistic:
    """The harmonic mean of precision and recall; 0 without a true positive, NaN without questions."""
    precision, recall = share([TP], [TP, FP]), share([TP], recall_below)

    def statistic(totals: np.ndarray) -> np.ndarray:
        p, r = precision(totals), recall(totals)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(p + r == 0, 0.0, 2 * p * r / (p + r))

    return statistic


def yes_no_measures(counts_N6: np.ndarray, rule: str) -> list[Measure]:
    """POPE's five numbers as the rule counts them. Where its script would divide by zero the value is 0."""
    ratios = POPE_RATIOS[rule]
    return [
        Measure("accuracy", counts_N6, share([TP, TN], ALL)),
        Measure("precision", counts_N6, share([TP], [TP, FP])),
        Measure("recall", counts_N6, share([TP], ratios["recall"])),
        Measure("f1", counts_N6, f1_of(ratios["recall"])),
        Measure("yes_ratio", counts_N6, share(ratios["yes_ratio"], ALL)),
    ]


def without_denominator(counts_N6: np.ndarray, rule: str) -> list[str]:
    """The ratios that POPE's script cannot print of these answers, as words for a note."""
    totals = counts_N6.sum(0)
    faults = []
    if not totals[[TP, FP]].sum():
        faults.append("precision (no answer is yes)")
    if not totals[list(POPE_RATIOS[rule]["recall"])].sum():
        faults.append("recall (no gold is yes)")
    return faults


def mean_over(measure: Measure, parts: Sequence[np.ndarray]) -> Measure:
    """The mean of a measure over parts of the questions, each with equal weight. `parts`: places of their rows."""
    count, width = measure.columns_NC.shape
    columns = np.zeros((count, width * len(parts)))
    for number, places in enumerate(parts):
        columns[places, number * width : (number + 1) * width] = measure.columns_NC[places]

    def statistic(totals: np.ndarray) -> np.ndarray:
        values = [measure.statistic(totals[..., n * width : (n + 1) * width]) for n in range(len(parts))]
        return np.mean(values, axis=0)

    return Measure(f"{measure.metric}_mean_of_splits", columns, statistic, measure.unit)


def balanced(metric: str, scores: np.ndarray, parts: Sequence[np.ndarray]) -> Measure:
    """The mean over many parts (categories) of their mean scores, each with equal weight, as one weighted mean."""
    weights = np.zeros(len(scores))
    for places in parts:
        weights[places] += 1 / (len(places) * len(parts))
    return Measure(metric, np.stack([weights * scores, weights], axis=1), ratio)


def difference(metric: str, scores: np.ndarray, first: np.ndarray, second: np.ndarray) -> Measure:
    """Mean score of the questions at places `first` minus that of those at `second`."""
    columns = np.zeros((len(scores), 4))
    for start, places in ((0, first), (2, second)):
        columns[places, start], columns[places, start + 1] = scores[places], 1.0
    return Measure(metric, columns, lambda totals: ratio(totals[..., :2]) - ratio(totals[..., 2:]), bounded=False)


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
