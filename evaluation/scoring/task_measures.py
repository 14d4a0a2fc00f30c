"""The measures of one rule on a task's questions, the one that stands for the task first."""

import numpy as np

from ..tasks.task import Task
from . import metrics
from .answer_columns import Sheet
from .matching import YES_NO_RULES
from .metrics import Measure


def task_measures(task: Task, sheet: Sheet, rule: str, scores: np.ndarray, labels: np.ndarray | None) -> list[Measure]:
    """`scores` 0..1 of each question; `labels`: what was said, for rules that read yes or no (1, 0, -1 neither)."""
    if rule in YES_NO_RULES:
        measures = metrics.yes_no_measures(metrics.yes_no_counts(labels, sheet.gold_yes), rule)
    else:
        measures = [metrics.accuracy(scores)]
    if task.mean_of:
        parts = list(sheet.members(task.mean_of).values())
        measures = [metrics.mean_over(measure, parts) for measure in measures] + measures
    if rule in ("released", "strict"):
        measures.append(metrics.accuracy_by_image(scores))
    return sorted(measures, key=lambda one: not (task.headline and one.metric.startswith(task.headline)))
