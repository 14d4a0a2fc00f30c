"""A task's score for seen and for unseen categories, and the harmonic mean of the two.

All three intervals come from the same resamples of images.
"""

from collections.abc import Sequence

import numpy as np

from ..held_out.sides import SEEN, UNSEEN, Sides
from .metrics import Measure, Statistic
from .score_files import GroupScore, TaskScore
from .statistics import ALIKE, interval_of, resampled_totals, share_interval, sums_by

HELD_OUT = "held_out"  # GroupScore.by
HARMONIC = "harmonic"
PARTS = (SEEN, UNSEEN, HARMONIC)


def places_of(sides: Sides, pictures: Sequence[object]) -> dict[str, np.ndarray]:
    """seen, unseen -> the places of their questions. `pictures`: the picture of each question."""
    placed = np.asarray([sides.of(one) or "" for one in pictures])
    return {side: np.flatnonzero(placed == side) for side in (SEEN, UNSEEN)}


def part_places(sides: Sides, pictures: Sequence[object], part: str) -> np.ndarray:
    """The places of the part's questions; of the harmonic mean those of both sides, in their order."""
    places = places_of(sides, pictures)
    return np.sort(np.concatenate(list(places.values()))) if part == HARMONIC else places[part]


def part_measure(measure: Measure, sides: Sides, pictures: Sequence[object], part: str) -> Measure:
    """The measure of the seen questions, of the unseen, or the harmonic mean of both, over the columns of both.

    `pictures`: the picture of each question.
    """
    places = places_of(sides, pictures)
    width = measure.columns_NC.shape[1]
    columns = np.zeros((len(measure.columns_NC), 2 * width))
    for number, side in enumerate((SEEN, UNSEEN)):
        columns[places[side], number * width : (number + 1) * width] = measure.columns_NC[places[side]]
    statistics: dict[str, Statistic] = {
        SEEN: lambda totals: measure.statistic(totals[..., :width]),
        UNSEEN: lambda totals: measure.statistic(totals[..., width:]),
    }
    statistics[HARMONIC] = lambda totals: harmonic(statistics[SEEN](totals), statistics[UNSEEN](totals))
    return Measure(part, columns, statistics[part], measure.unit, bounded=measure.bounded)


def harmonic(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """2ab / (a + b); 0 where both are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(first) + second == 0, 0.0, 2 * np.asarray(first) * second / (first + second))


def seen_scores(
    rule: str,
    measure: Measure,
    pictures: Sequence[object],
    index_N: np.ndarray,
    sides: Sides,
    address: tuple,
    chances: dict[str, float | None],
) -> tuple[list[GroupScore], list[str]]:
    """(three scores, what must be said beside them); no scores where a side has no question.

    `pictures`, `index_N`: the picture of each question, and the number of the images that are resampled together.
    `chances`: side -> what guessing comes to there, in percent.
    """
    places = places_of(sides, pictures)
    counts = {side: len(some) for side, some in places.items()}
    notes = said_beside(sides, pictures, counts)
    if not all(counts.values()):
        return [], notes
    parts = {part: part_measure(measure, sides, pictures, part) for part in PARTS}
    sums = sums_by(index_N, parts[HARMONIC].columns_NC)
    drawn = resampled_totals(sums, address=(*address, HELD_OUT))
    values, ends = {}, {}
    for part, one in parts.items():
        values[part] = float(one.statistic(sums.sum(0)))
        low, high = interval_of(one.statistic(drawn))
        if part != HARMONIC:
            low, high = share_interval(values[part], low, high, len(np.unique(index_N[places[part]])))
        elif not high - low > ALIKE:
            low, high = (float(harmonic(ends[SEEN][end], ends[UNSEEN][end])) for end in (0, 1))
        ends[part] = low, high
    known = [chances.get(side) for side in (SEEN, UNSEEN)]
    chances = {**chances, HARMONIC: None if None in known else float(harmonic(*known))}
    counts[HARMONIC] = counts[SEEN] + counts[UNSEEN]
    scores = [
        GroupScore(
            HELD_OUT, part, rule, measure.metric, *percent(values[part], *ends[part]), counts[part], chances[part]
        )
        for part in PARTS
    ]
    return scores, notes


def parts_of(score: TaskScore) -> list[GroupScore]:
    """A task's own number for seen and unseen categories, and their harmonic mean; [] where nothing is held out."""
    return [one for one in score.groups if one.by == HELD_OUT and one.rule == score.primary]


def percent(*shares: float) -> list[float | None]:
    return [100 * one if np.isfinite(one) else None for one in shares]


def said_beside(sides: Sides, pictures: Sequence[object], counts: dict[str, int]) -> list[str]:
    notes = [f"no question is about {side} categories" for side, count in counts.items() if not count]
    lost = list(dict.fromkeys(str(one) for one in pictures if sides.of(one) is None))
    if lost:
        missing = len(pictures) - sum(counts.values())
        notes.append(f"{missing} of {len(pictures)} questions are about pictures whose category no question file tells")
        notes.append(f"such a picture, neither seen nor unseen, is {lost[0]}")
    return notes
