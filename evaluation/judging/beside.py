"""Judges' scores beside a task's own: in a run's scores.json, and whenever answers are scored again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_builders.files import write_json

from ..scores import TaskScore, read_scores
from ..scoring import score_judged
from ..task import Task
from .files import is_judged, read_judged
from .run import Judged


def with_judged(score: TaskScore, judged: TaskScore) -> TaskScore:
    """The task's score with another judge's numbers and notes behind its own, in place of older ones of that judge."""
    lead = f"{judged.primary}: "
    return replace(
        score,
        scores=[one for one in score.scores if one.rule != judged.primary] + judged.scores,
        notes=[one for one in score.notes if not one.startswith(lead)] + [lead + one for one in judged.notes],
    )


def with_judges_beside(score: TaskScore, task: Task, folder: Path, rows: Sequence[dict]) -> TaskScore:
    """The score with the numbers of every judge whose file lies in <folder>/judged/<judge>/.

    A verdict on another answer than the one that is there now no longer counts: that answer is unjudged.
    """
    for path in sorted(Path(folder).glob(f"judged/*/{task.file_name}")):
        filed = {(row.get("image"), row.get("question")): row for row in read_judged(path)}
        judged = [fitting(row, filed.get((row["image"], row["question"]))) for row in rows]
        if any(map(is_judged, judged)) and (found := score_judged(task, path, judged)).primary != score.primary:
            score = with_judged(score, found)
    return score


def fitting(row: dict, verdict: dict | None) -> dict:
    if verdict is not None and verdict.get("answer") == row["answer"]:
        return verdict
    reason = "no verdict yet" if verdict is None else "the verdict is on an earlier answer"
    return {"image": row["image"], "question": row["question"], "unjudged": reason}


def add_to_run(judged: Judged) -> bool:
    """Enter the scores into <run>/scores.json, if the answers lie in <run>/answers/<checkpoint>/ and it knows them."""
    folder = judged.answers.path.parent
    path = folder.parents[1] / "scores.json"
    if folder.parent.name != "answers" or not path.exists() or judged.score is None:
        return False
    return enter(path, folder.name, judged.score)


def enter(path: Path, checkpoint: str, judged: TaskScore) -> bool:
    scores = read_scores(path)
    for one in scores["checkpoints"]:
        if one.get("name") == checkpoint and judged.task in one.get("tasks", {}):
            known = TaskScore.from_json(one["tasks"][judged.task])
            if known.primary == judged.primary:
                return False  # the run's own judge has its numbers there already
            one["tasks"][judged.task] = with_judged(known, judged).to_json()
            write_json(path, scores)
            return True
    return False
