"""Scores of single questions out of an answers file, for what compares the same questions at several moments."""

from pathlib import Path

from evaluation.asking.disk import rows_on_disk
from evaluation.asking.subset import subset_of
from evaluation.scoring.answer_columns import cluster_of
from evaluation.scoring.score_answers import item_scores
from evaluation.tasks.task import Task


def scores_of(task: Task, path: Path, subset: int) -> dict[int | str, tuple[str, float]]:
    """Question id of the task's subset -> (its image, or what else falls together with it; its score in 0..1)."""
    chosen = {item.question_id for item in subset_of(task, subset)}
    rows = [row for row in rows_on_disk(path) if row["question_id"] in chosen]
    scores = item_scores(task, rows) if rows else {}
    return {row["question_id"]: (_together(task, row), scores[row["question_id"]]) for row in rows}


def _together(task: Task, row: dict) -> str:
    # One image has one name in all tasks of a data folder; a question without one stands for itself in its task.
    alone = task.cluster == "question_id" or not row.get(task.cluster)
    return f"{task.name if alone else task.image_root} {cluster_of(row, task.cluster)}"
