"""A task's score broken down: by split, attribute, skill, category; and what the ranking of categories tells."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from ..tasks.task import Task
from . import metrics
from .answer_columns import Sheet
from .chance import chance_at
from .group_values import MEANS_OF
from .intervals import score_of
from .matching import YES_NO_RULES
from .metrics import Measure
from .score_files import GroupScore, Score

RESAMPLES = 1_999  # a data set has hundreds of categories


def group_scores(task: Task, sheet: Sheet, scores: np.ndarray, address: tuple) -> list[GroupScore]:
    """Every value of every key of `task.groups` under the primary rule; a ranked key's best values first."""
    labels = sheet.labels.get(task.primary)
    found = []
    for key in task.groups:
        guess = partial(_first_measure, task, sheet, key)
        rows = [
            as_group(
                key,
                name,
                score_of(task.primary, measure, sheet.index, (*address, key, name), places, RESAMPLES),
                chance_at(task, sheet, places, guess) if number == 0 else None,
            )
            for name, places in sheet.members(key).items()
            for number, measure in enumerate(measures_of(task, sheet, scores, labels, key))
        ]
        found += sorted(rows, key=lambda row: (-(row.value or 0.0), row.name)) if key == task.ranked else rows
    return found


def measures_of(task: Task, sheet: Sheet, scores: np.ndarray, labels: np.ndarray | None, key: str) -> list[Measure]:
    """`labels`: what was said, for rules that read yes or no. The first measure is the group's own number."""
    if task.primary in YES_NO_RULES:
        counts = metrics.yes_no_counts(labels, sheet.gold_yes)
        measures = metrics.yes_no_measures(counts, task.primary)
        return sorted(measures, key=lambda one: one.metric != task.headline)
    if key not in MEANS_OF:
        return [metrics.accuracy(scores)]
    # attributes of other groups have a weight too, but no question at these places
    parts = list(sheet.members(MEANS_OF[key]).values())
    return [metrics.balanced("accuracy_mean_of_attributes", scores, parts)]


def _first_measure(task: Task, sheet: Sheet, key: str, scores: np.ndarray, labels: np.ndarray | None) -> Measure:
    return measures_of(task, sheet, scores, labels, key)[0]


def as_group(key: str, name: str, score: Score, chance: float | None = None) -> GroupScore:
    return GroupScore(key, name, score.rule, score.metric, score.value, score.low, score.high, score.n, chance)


def ranked_scores(
    task: Task, sheet: Sheet, scores: np.ndarray, groups: Sequence[GroupScore], address: tuple
) -> tuple[list[Score], str]:
    """Mean, best, worst and spread of the ranked key's values, and a note that names the two.

    Best and worst are chosen by the answers themselves, so their intervals say how sure the number of that category
    is, not how sure it is the worst.
    """
    ranked = [one for one in groups if one.by == task.ranked]
    members = sheet.members(task.ranked)
    best, worst = ranked[0].name, ranked[-1].name
    kind = task.ranked
    both = np.union1d(members[best], members[worst])
    spread = metrics.difference(f"spread_of_{kind}", scores, members[best], members[worst])
    mean = metrics.balanced(f"mean_of_{kind}", scores, list(members.values()))
    found = [
        score_of(task.primary, mean, sheet.index, (*address, "mean")),
        score_of(task.primary, Measure(f"best_{kind}", *accuracy(scores)), sheet.index, address, members[best]),
        score_of(task.primary, Measure(f"worst_{kind}", *accuracy(scores)), sheet.index, address, members[worst]),
        score_of(task.primary, spread, sheet.index, (*address, "spread"), both),
    ]
    note = f"of {len(ranked)} values of {kind} the best is {best!r} ({ranked[0].n} questions), the worst {worst!r}"
    return found, f"{note} ({ranked[-1].n} questions)"


def accuracy(scores: np.ndarray) -> tuple:
    measure = metrics.accuracy(scores)
    return measure.columns_NC, measure.statistic
