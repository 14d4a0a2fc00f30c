"""Judges' scores beside a task's own: in a run's scores.json, and whenever answers are scored again."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import write_json

from ..held_out.sides import Sides
from ..scoring.matching import JUDGE
from ..scoring.score_files import TaskScore, read_scores, scores_locked
from ..scoring.score_judged import score_judged
from ..tasks.task import CONDITION, Task
from .judge_answers import Judged
from .judge_files import is_judged, read_judged, write_judged


def with_judged(score: TaskScore, judged: TaskScore) -> TaskScore:
    """The task's score with another judge's numbers and notes behind its own, in place of older ones of that judge."""
    lead = f"{judged.primary}: "
    return replace(
        score,
        scores=[one for one in score.scores if one.rule != judged.primary] + judged.scores,
        notes=[one for one in score.notes if not one.startswith(lead)] + [lead + one for one in judged.notes],
        groups=[one for one in score.groups if one.rule != judged.primary] + judged.groups,
    )


def with_judges_beside(
    score: TaskScore, task: Task, folder: Path, rows: Sequence[dict], sides: Sides | None = None
) -> TaskScore:
    """The score with the numbers of every judge whose file lies in <folder>/judged/<judge>/. `sides`: as of
    `score_answers`.

    A verdict on another answer than the one that is there now no longer counts: that answer is unjudged.
    """
    for path in sorted(Path(folder).glob(f"judged/*/{task.file_name}")):
        filed = {(row.get("image"), row.get("question")): row for row in read_judged(path)}
        judged = [fitting(row, filed.get((row["image"], row["question"]))) for row in rows]
        if not any(map(is_judged, judged)):
            continue
        if (found := score_judged(task, path, judged, sides=sides)).primary != score.primary:
            score = with_judged(score, found)
    return score


def fitting(row: dict, verdict: dict | None) -> dict:
    if verdict is not None and verdict.get("answer") == row["answer"]:
        return verdict
    reason = "no verdict yet" if verdict is None else "the verdict is on an earlier answer"
    return {"image": row["image"], "question": row["question"], "unjudged": reason}


def run_of(judged: Judged) -> Path | None:
    """The folder of the run whose answers were judged, if they lie in <run>/answers/<checkpoint>/; else None."""
    folder = judged.answers.path.parent
    run = folder.parent.parent
    return run if folder.parent.name == "answers" and (run / "scores.json").exists() else None


def add_to_run(judged: Judged) -> bool:
    """Enter the scores into the run's scores.json; False where there is no run, or it does not know the checkpoint."""
    run = run_of(judged)
    if run is None or judged.score is None:
        return False
    with scores_locked(run):
        scores = read_scores(run / "scores.json")
        for one in scores["checkpoints"]:
            task = judged.score.task
            if one.get("name") == judged.answers.path.parent.name and task in one.get("tasks", {}):
                known = TaskScore.from_json(one["tasks"][task])
                if judged.score.primary == known.primary == JUDGE:
                    return False  # it has these numbers from the start
                one["tasks"][task] = with_judged(known, judged.score).to_json()
                write_json(run / "scores.json", scores)
                return True
    return False


def let_stand(done: Sequence[Judged]) -> int:
    """Let this judge's numbers stand for FROW in the runs' scores.json, and its file be the one in judged/; returns how
    many scores that are. UserError, and nothing is changed, when a run's checkpoint is not judged by it: numbers of
    two judges must not be compared.
    """
    runs: dict[Path, dict[tuple[str, str], Judged]] = {}
    for one in done:
        if (run := run_of(one)) is None or one.score is None:
            raise UserError(f"--stands: {one.answers.path} belongs to no run with a scores.json, or nothing is judged")
        runs.setdefault(run, {})[one.answers.path.parent.name, one.score.task] = one
    with ExitStack() as held:
        for run in sorted(runs):  # in one order, or two who do this could wait for each other
            held.enter_context(scores_locked(run))
        changed = {run: _standing(run, found) for run, found in runs.items()}
        for run, scores in changed.items():
            for one in runs[run].values():
                write_judged(one.answers.path.parent / "judged" / one.answers.path.name, one.rows, one.unjudged)
            write_json(run / "scores.json", scores)
    return len(done)


def _standing(run: Path, found: dict[tuple[str, str], Judged]) -> dict:
    """What scores.json says when these numbers, by checkpoint and task, stand for FROW."""
    scores = read_scores(run / "scores.json")
    for checkpoint in scores["checkpoints"]:
        for task in [name for name in checkpoint["tasks"] if name.startswith("frow/") and CONDITION not in name]:
            if (checkpoint["name"], task) not in found:
                raise UserError(
                    f"--stands: {task} of {run}'s checkpoint {checkpoint['name']!r} is not judged by this judge; "
                    f"judge the whole run: --answers {run}"
                )
            checkpoint["tasks"][task]["primary"] = found[checkpoint["name"], task].score.primary
    return scores
