"""A measure as a number with its interval: what stands in a score file."""

import math

import numpy as np

from .metrics import Measure
from .score_files import Score
from .statistics import ALIKE, RESAMPLES, difference_interval, interval, share_interval, sums_by


def score_of(
    rule: str,
    measure: Measure,
    index_N: np.ndarray,
    address: tuple,
    places: np.ndarray | None = None,
    resamples: int = RESAMPLES,
) -> Score:
    """The measure over all questions, or those at `places`, with its 95 % interval over images.

    `index_N`: the number of each question's image. A share is in percent; a difference of shares in points.
    """
    columns = measure.columns_NC
    if places is not None:
        columns, index_N = columns[places], index_N[places]
    sums = sums_by(index_N, columns)
    sums = measure.per_image(sums) if measure.per_image else sums
    value = float(measure.statistic(sums.sum(0)))
    low, high = interval(sums, measure.statistic, address=address, resamples=resamples)
    if measure.unit == "percent" and math.isfinite(value):
        widened = share_interval if measure.bounded else difference_interval
        low, high = widened(value, low, high, len(sums))
        value, low, high = 100 * value, 100 * low, 100 * high
    elif len(sums) <= 1 or high - low <= ALIKE:
        low = high = math.nan
    figures = [one if math.isfinite(one) else None for one in (value, low, high)]
    return Score(rule, measure.metric, *figures, n=len(sums) if measure.per_image else len(columns), unit=measure.unit)
