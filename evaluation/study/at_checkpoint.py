"""The runs of a study as if they ended earlier, or as if a task's number were another one of its primary rule."""

from collections.abc import Sequence
from dataclasses import replace

from data_builders.shared.errors import UserError

from ..ledger import Checkpoint, Run
from ..ledger.parts import OF_TASK
from ..scoring.name_outcomes import SHARE
from .runs import StudyRun, asked


def ended_at(runs: Sequence[StudyRun], checkpoint: str, called: str) -> list[StudyRun]:
    """Those that were scored at the checkpoint, without what came after. UserError: no run was."""
    found = []
    for one in runs:
        names = [point.name for point in one.run.checkpoints]
        if checkpoint in names:
            place = names.index(checkpoint)
            run = replace(one.run, checkpoints=one.run.checkpoints[: place + 1])
            found.append(replace(one, run=run, questions=asked(one.run.folder, place)))
    if not found:
        there = ", ".join(dict.fromkeys(point.name for one in runs for point in one.run.checkpoints))
        raise UserError(f"measure {called!r}: no run was scored at {checkpoint}; checkpoints: {there}")
    return found


def named_metric(what: str, runs: Sequence[StudyRun]) -> tuple[str, str | None]:
    """TASK:METRIC as (task, metric) where TASK is one of the runs', else (what, None)."""
    task, colon, metric = what.rpartition(OF_TASK)
    return (task, metric) if colon and any(task in one.run.last.tasks for one in runs) else (what, None)


def by_metric(run: Run, task: str, metric: str, called: str) -> Run:
    """The run with that task alone, under that number: a metric of its primary rule, or the share of an outcome of
    names. UserError: it has none of that name."""
    return replace(run, checkpoints=tuple(_alone(point, task, metric, called) for point in run.checkpoints))


def _alone(point: Checkpoint, task: str, metric: str, called: str) -> Checkpoint:
    score = point.tasks.get(task)
    if score is None:
        return replace(point, tasks={})
    own = [one for one in score["scores"] if one["rule"] == score["primary"]]
    named = [one for one in score["scores"] if (one["rule"], one.get("metric")) == (metric, SHARE)]
    chosen = [one for one in own if one.get("metric") == metric] or named
    if not chosen:
        known = ", ".join(str(one.get("metric")) for one in own)
        raise UserError(f"measure {called!r}: {task} has no {metric} under the rule {score['primary']}; it has {known}")
    return replace(point, tasks={task: {**score, "scores": chosen[:1], "chance": None, "answers_give": False}})
