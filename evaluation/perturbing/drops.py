"""What a perturbation costs: the plain score minus the perturbed one over the same questions, images resampled."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..scoring.answer_columns import fill
from ..scoring.intervals import score_of
from ..scoring.metrics import Measure
from ..scoring.score_answers import grade, in_order
from ..scoring.score_files import Score, TaskScore
from ..tasks.task import Task

DROP = "drop"  # the rule under which it stands among a perturbed task's scores


def with_drops(
    scores: Mapping[str, TaskScore], tasks: Sequence[Task], answers: Mapping[str, Sequence[dict]]
) -> dict[str, TaskScore]:
    """The scores, those of perturbed tasks with their drop where the plain task was asked too.

    `answers`: task -> rows.
    """
    by_name = {task.name: task for task in tasks}
    found = dict(scores)
    for name, score in scores.items():
        plain = by_name[name].plain_name
        if plain != name and answers.get(plain):
            drop = drop_of(by_name[plain], answers[plain], answers[name])
            found[name] = replace(score, scores=[*score.scores, *([drop] if drop else [])])
    return found


def drop_of(task: Task, plain: Sequence[dict], perturbed: Sequence[dict]) -> Score | None:
    """Plain minus perturbed in points of the number that stands for the task; None where they share no question."""
    shared = {row["question_id"] for row in plain} & {row["question_id"] for row in perturbed}
    if not shared:
        return None
    sheets = [
        fill(task, in_order(row for row in rows if row["question_id"] in shared), [task.primary])
        for rows in (plain, perturbed)
    ]
    before, after = (grade(task, task.primary, sheet).measures[0] for sheet in sheets)
    width = before.columns_NC.shape[1]

    def difference(totals: np.ndarray) -> np.ndarray:
        return before.statistic(totals[..., :width]) - after.statistic(totals[..., width:])

    columns = np.concatenate([before.columns_NC, after.columns_NC], axis=1)
    per_image = None
    if before.per_image:

        def per_image(sums: np.ndarray) -> np.ndarray:
            return np.concatenate([before.per_image(sums[:, :width]), after.per_image(sums[:, width:])], axis=1)

    measure = Measure(before.metric, columns, difference, before.unit, per_image=per_image, bounded=False)
    return score_of(DROP, measure, sheets[0].index, (task.name, DROP))
