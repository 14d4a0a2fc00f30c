"""The runs of a study as if they ended earlier, or as if a task's number were another one of its primary rule."""

from collections.abc import Sequence
from dataclasses import replace

from data_builders.shared.errors import UserError

from ..ledger import Checkpoint, Run
from ..ledger.seen_or_unseen import OF_TASK
from ..scoring.name_outcomes import SHARE
from ..shared.sweeps import beside
from .runs import StudyRun, asked, of_task


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


def each_share(runs: Sequence[StudyRun]) -> list[StudyRun]:
    """With a member for each share, called "ARM wise@0.25", in place of a run that ends with a merge at several."""
    found = []
    for one in runs:
        points = one.run.checkpoints
        shares = [place for place, point in enumerate(points) if beside(point.name, one.run.last.name)]
        if not shares:
            found.append(one)
            continue
        for place in (*shares, len(points) - 1):
            run = replace(one.run, checkpoints=points[: place + 1])
            found.append(
                replace(one, arm=f"{one.arm} {points[place].name}", run=run, questions=asked(run.folder, place))
            )
    return found


def named_metric(what: str, runs: Sequence[StudyRun]) -> tuple[str, str | None]:
    """TASK:METRIC as (task, metric) where the runs have tasks of that name, else (what, None)."""
    name, colon, metric = what.rpartition(OF_TASK)
    there = bool(colon) and any(of_task(task, name) for one in runs for task in one.run.last.tasks)
    return (name, metric) if there else (what, None)


def by_metric(run: Run, name: str, metric: str, called: str) -> Run:
    """The run with the tasks of that name alone that have the number, under it: a metric of their primary rule, or the
    share of an outcome of names. UserError: none has it."""

    def alone(point: Checkpoint) -> Checkpoint:
        own = {task: _under(score, metric) for task, score in point.tasks.items() if of_task(task, name)}
        return replace(point, tasks={task: score for task, score in own.items() if score is not None})

    found = replace(run, checkpoints=tuple(map(alone, run.checkpoints)))
    tasks = [(task, score) for task, score in run.last.tasks.items() if of_task(task, name)]
    if tasks and not found.last.tasks:
        task, score = tasks[0]
        known = ", ".join(str(one.get("metric")) for one in score["scores"] if one["rule"] == score["primary"])
        raise UserError(f"measure {called!r}: {task} has no {metric} under the rule {score['primary']}; it has {known}")
    return found


def _under(score: dict, metric: str) -> dict | None:
    named = [(score["primary"], metric), (metric, SHARE)]
    chosen = [one for key in named for one in score["scores"] if (one["rule"], one.get("metric")) == key]
    return {**score, "scores": chosen[:1], "chance": None, "answers_give": False} if chosen else None
