"""What is left after a later stage: a measure at two checkpoints of the same runs, and whether the order of arms stays.

The immediate score need not predict the retained one (arXiv 2605.12705). The change of an arm is paired by seed and by
image. The rank correlation (Spearman's) is that of the arms' means at the two checkpoints; its interval holds the
middle 95 % of draws in which seeds are drawn again and images move every number as much as they may.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from data_builders.shared.seeding import draw

from ..scoring.ranks import spearman
from ..shared.measure_names import read_measure
from .measures import Measured, keep_distinct
from .seed_image_interval import SeedImageMean, seed_image_mean

LEAST_ARMS = 4  # three arms stand in one of six orders: any of them comes about by chance too often
DRAWS = 2000


@dataclass(frozen=True)
class Change:
    """An arm's later number minus its earlier one."""

    before: float
    after: float
    value: float
    low: float
    high: float
    covers: str
    seeds: int


@dataclass(frozen=True)
class Retained:
    """Two measures of one kind. `order`: Spearman's rank correlation of the arms with its interval, None for fewer
    than four arms or where all are alike."""

    immediate: str
    retained: str
    arms: dict[str, Change]
    order: float | None
    order_low: float | None
    order_high: float | None


def retained(arms: Sequence[str], measured: Mapping[str, Measured]) -> list[Retained]:
    """Every measure that was asked for at several checkpoints, each beside the next; the last checkpoint comes last."""
    groups: dict[str, list[str]] = {}
    for name in measured:
        said = read_measure(name)
        if said.reaches is None and said.what != "forgetting":
            groups.setdefault(said.what, []).append(name)
    pairs = [pair for names in groups.values() for pair in pairwise(sorted(names, key=lambda name: " at " not in name))]
    return [one for a, b in pairs if (one := compared(arms, measured[a], measured[b])).arms]


def compared(arms: Sequence[str], before: Measured, after: Measured) -> Retained:
    """Arms without both, and tasks that were not asked at both, are left out: then there is nothing to compare."""
    changes = {}
    if before.tasks == after.tasks and before.images == after.images:
        changes = {arm: change for arm in arms if (change := change_of(arm, before, after)) is not None}
    order = rank_correlation(list(changes), before, after) if len(changes) >= LEAST_ARMS else (None, None, None)
    return Retained(before.name, after.name, changes, *order)


def change_of(arm: str, before: Measured, after: Measured) -> Change | None:
    keys = keys_of(arm, before, after)
    if not keys:
        return None
    mean = moved(keys, before, after)
    low, high = mean.interval()
    return Change(
        before=float(np.mean([before.values[key] for key in keys])),
        after=float(np.mean([after.values[key] for key in keys])),
        value=mean.value,
        low=low,
        high=high,
        covers=mean.covers,
        seeds=mean.seeds,
    )


def keys_of(arm: str, before: Measured, after: Measured) -> list[tuple[str, int]]:
    """The arm's runs that have both, each weight once."""
    keys = [(arm, seed) for seed in before.seeds(arm) if (arm, seed) in after.values]
    return keep_distinct(keys, [after.weights[key] for key in keys])


def moved(keys: Sequence[tuple[str, int]], before: Measured, after: Measured) -> SeedImageMean:
    return seed_image_mean(
        np.asarray([after.values[key] - before.values[key] for key in keys]),
        np.stack([after.influence_K[key] - before.influence_K[key] for key in keys]),
        apart=float(np.mean([after.apart[key] + before.apart[key] for key in keys])),
        all_images=after.images,
    )


def rank_correlation(
    arms: Sequence[str], before: Measured, after: Measured
) -> tuple[float | None, float | None, float | None]:
    """(Spearman's rho of the arms' means, low, high)."""
    keys = {arm: keys_of(arm, before, after) for arm in arms}
    owners = [(arm, key) for arm in arms for key in keys[arm]]
    sides = (before, after)
    values_2N = np.asarray([[one.values[key] for _, key in owners] for one in sides])
    influence = np.concatenate([np.stack([one.influence_K[key] for _, key in owners]) for one in sides])
    apart = np.asarray([one.apart[key] for one in sides for _, key in owners])
    covariance = influence @ influence.T + np.diag(apart)
    spread, axes = np.linalg.eigh(covariance)
    rng = draw("rank correlation", before.name, after.name)
    noise = rng.normal(size=(DRAWS, len(spread))) * np.sqrt(spread.clip(0)) @ axes.T
    drawn_D2N = values_2N + noise.reshape(DRAWS, 2, -1)
    places = {arm: [place for place, (own, _) in enumerate(owners) if own == arm] for arm in arms}
    means = np.stack([values_2N[:, places[arm]].mean(1) for arm in arms], axis=1)
    rho = spearman(means[0], means[1])
    if rho is None:
        return None, None, None
    found = []
    for one_2N in drawn_D2N:
        again = np.stack([one_2N[:, rng.choice(places[arm], len(places[arm]))].mean(1) for arm in arms], axis=1)
        found.append(spearman(again[0], again[1]))
    low, high = np.percentile([one for one in found if one is not None], [2.5, 97.5])
    return rho, float(low), float(high)
