"""A judge's scores beside the task's own in a run's scores.json."""

from dataclasses import replace
from pathlib import Path

from data_builders.files import write_json

from ..scores import TaskScore, read_scores
from .run import Judged


def with_judged(score: TaskScore, judged: TaskScore) -> TaskScore:
    """The task's score with another judge's numbers and notes behind its own, in place of older ones of that judge."""
    lead = f"{judged.primary}: "
    return replace(
        score,
        scores=[one for one in score.scores if one.rule != judged.primary] + judged.scores,
        notes=[one for one in score.notes if not one.startswith(lead)] + [lead + one for one in judged.notes],
    )


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
