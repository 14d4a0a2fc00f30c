"""The names of a data set by their likelihood behind a picture: top-1, top-5, mean reciprocal rank, calibration, risk.

Confidence is the likeliest name's share of the probability of all names of the list. Expected calibration error: Guo et
al. 2017 (arXiv 1706.04599), 15 bins of equal width. Risk against coverage: Geifman and El-Yaniv 2017 (arXiv
1705.08500); the area under the curve is the mean risk over all coverages.
"""

from dataclasses import dataclass

import numpy as np

from data_builders.shared.errors import UserError

from ..shared.number_lists import read
from .matching import LIST_RULES
from .metrics import Measure
from .statistics import ratio

BINS = 15
LEVELS = 100  # of coverage; where there are fewer pictures, each is one
RANK, CONFIDENCE, MASS, NAMES = range(4)


def list_scores(row: dict, rule: str) -> np.ndarray:
    """What the rule makes of each name of the row's list. UserError where the row has no such list."""
    try:
        found = read(row["names"]["log_probability"])
        if rule == "names_prior":
            found = found - read(row["names"]["prior"])
        if not (np.isfinite(found).all() and len(found) > row["gold_place"] >= 0):
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(
            f"question {row.get('question_id')!r}: the row holds no log-probabilities of a list of names; ask a "
            "checkpoint or a released model on this machine: python -m evaluation run --model DIR --tasks names"
        ) from None
    return found


def standing(row: dict, rule: str) -> tuple[float, float, float, float]:
    """(the gold's rank, confidence, probability of all names together, how many they are). Among equals the gold is
    the last: a model that cannot tell them apart does not know it."""
    scores = list_scores(row, rule)
    rank = int((scores >= scores[row["gold_place"]]).sum())
    confidence = 1 / np.exp(scores - scores.max()).sum()
    mass = np.exp(read(row["names"]["log_probability"])).sum()
    return float(rank), float(confidence), float(min(mass, 1.0)), float(len(scores))


def list_measures(standing_N4: np.ndarray, rule: str) -> list[Measure]:
    """Top-1 first. The probability of the whole list is of the model, not of the rule, and stands with the first."""
    rank, confidence, mass, _ = standing_N4.T
    right, ones = (rank == 1).astype(float), np.ones(len(rank))

    def mean(metric: str, values: np.ndarray) -> Measure:
        return Measure(metric, np.stack([values, ones], axis=1), ratio)

    measures = [
        mean("top1", right),
        mean("top5", (rank <= 5).astype(float)),
        mean("mrr", 1 / rank),
        calibration_error(right, confidence),
        area_under_risk(right, confidence),
    ]
    return [*measures, mean("list_probability", mass)] if rule == LIST_RULES[0] else measures


def in_parts(part_N: np.ndarray, parts: int, columns_NC: np.ndarray) -> np.ndarray:
    """[N, parts x C]: each row's columns in the place of its part, zeros elsewhere."""
    count, width = columns_NC.shape
    found = np.zeros((count, parts, width))
    found[np.arange(count), part_N] = columns_NC
    return found.reshape(count, parts * width)


def bin_of(confidence: np.ndarray) -> np.ndarray:
    return np.minimum((confidence * BINS).astype(int), BINS - 1)


def calibration_error(right: np.ndarray, confidence: np.ndarray) -> Measure:
    """The mean over pictures of how far a bin's confidence is from its share of right ones."""
    columns = np.stack([confidence - right, np.ones(len(right))], axis=1)

    def statistic(totals: np.ndarray) -> np.ndarray:
        bins = totals.reshape(*totals.shape[:-1], BINS, 2)
        return ratio(np.stack([np.abs(bins[..., 0]).sum(-1), bins[..., 1].sum(-1)], axis=-1))

    return Measure("ece", in_parts(bin_of(confidence), BINS, columns), statistic)


def level_of(confidence: np.ndarray) -> np.ndarray:
    """The level of coverage of each picture, the surest first; equally sure ones share a level."""
    _, group, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    surer = np.concatenate([[0], np.cumsum(counts)[:-1]])[group]
    return surer * LEVELS // max(LEVELS, len(confidence))


def area_under_risk(right: np.ndarray, confidence: np.ndarray) -> Measure:
    """The share of wrong names among the surest pictures, averaged over how many of them are covered."""
    columns = np.stack([1 - right, np.ones(len(right))], axis=1)

    def statistic(totals: np.ndarray) -> np.ndarray:
        wrong, covered = np.moveaxis(totals.reshape(*totals.shape[:-1], LEVELS, 2), -1, 0)
        risk = ratio(np.stack([wrong.cumsum(-1), covered.cumsum(-1)], axis=-1))
        weighted = np.where(covered > 0, risk * covered, 0.0).sum(-1)
        return ratio(np.stack([weighted, covered.sum(-1)], axis=-1))

    return Measure("aurc", in_parts(level_of(confidence), LEVELS, columns), statistic)


@dataclass(frozen=True)
class ListCurves:
    """What a reliability diagram and a risk-coverage curve are drawn of."""

    reliability: list[list[float]]  # mean confidence, share of right ones, pictures; of each bin that holds any
    risk: list[list[float]]  # coverage, share of wrong names among the pictures covered


def list_curves(standing_N4: np.ndarray) -> ListCurves:
    rank, confidence, _, _ = standing_N4.T
    right = rank == 1
    of_bin, level = bin_of(confidence), level_of(confidence)
    bins = [of_bin == one for one in range(BINS) if (of_bin == one).any()]
    reliability = [[float(confidence[b].mean()), float(right[b].mean()), float(b.sum())] for b in bins]
    covered = np.cumsum(np.bincount(level, minlength=LEVELS))
    wrong = np.cumsum(np.bincount(level, weights=~right, minlength=LEVELS))
    _, ends = np.unique(covered, return_index=True)
    risk = [[float(covered[e] / len(right)), float(wrong[e] / covered[e])] for e in ends if covered[e]]
    return ListCurves(reliability, risk)
