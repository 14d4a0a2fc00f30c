"""A study's arms as measured models: the mean of each score over the arm's seeds, so that it can stand beside a
published one. For reading only: the study's own intervals resample the images of all arms together."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..ledger import known
from ..study.seed_image_interval import quantile

KEY = ("by", "name", "rule", "metric")  # of one number of a task


def mean_tasks(seeds: Sequence[Mapping[str, dict]]) -> dict[str, dict]:
    """Task -> TaskScore, the mean of those of each seed. Tasks that not all were asked alike are left out."""
    found = {}
    for task, first in seeds[0].items():
        scores = [one[task] for one in seeds if task in one]
        if len(scores) == len(seeds) and all(_alike(one, first) for one in scores):
            found[task] = {**first} | {
                part: [mean_score(some) for some in _together([one.get(part) or [] for one in scores])]
                for part in ("scores", "groups")
            }
    return found


def _alike(one: dict, other: dict) -> bool:
    return all(one.get(key) == other.get(key) for key in ("n", "images", "primary"))


def _together(of_seeds: Sequence[Sequence[dict]]) -> list[list[dict]]:
    """The same number of every seed, for each that all have."""
    keyed = [{tuple(one.get(key) for key in KEY): one for one in scores} for scores in of_seeds]
    return [[scores[key] for scores in keyed] for key in keyed[0] if all(key in scores for scores in keyed)]


def mean_score(scores: Sequence[dict]) -> dict:
    """Their mean. Its 95 % interval covers new images (the mean half width: all seeds were asked about the same ones)
    and new seeds (Student's, of their spread), as if the two were independent; of one seed, images alone."""
    values = [one["value"] for one in scores]
    if not all(map(known, values)):
        return {**scores[0], "value": None, "low": None, "high": None}
    mean, low, high = float(np.mean(values)), None, None
    if all(known(one.get(end)) for one in scores for end in ("low", "high")):
        image = [float(np.mean([abs(one[end] - one["value"]) for one in scores])) for end in ("low", "high")]
        seed = 0.0
        if len(values) > 1:
            seed = quantile(0.05, len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
        low, high = (mean + sign * (half**2 + seed**2) ** 0.5 for sign, half in zip((-1, 1), image, strict=True))
        if scores[0].get("unit") == "percent":
            low, high = max(low, min(mean, 0.0)), min(high, max(mean, 100.0))
    return {**scores[0], "value": mean, "low": low, "high": high}
