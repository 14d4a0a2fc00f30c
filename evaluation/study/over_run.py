"""How the arms got where they ended: the mean of the tasks at every checkpoint, and at the subset asked in between.

Of the tasks that every run of the study has a number for at each of its checkpoints. A point of an arm is the mean over
its seeds, where all of them were asked; the arm's interval at the end is that of the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..ledger import GROUPS, Run, floor, known, primary, shared_tasks
from .measures import Measured
from .runs import StudyRun


@dataclass(frozen=True)
class Curve:
    """One arm. `places`: samples seen so far; `checkpoints`: the name there, "" where a subset was asked in between;
    `mean` over the seeds and `per_seed`, in percent, follow the places."""

    arm: str
    places: list[float]
    checkpoints: list[str]
    mean: list[float]
    per_seed: dict[int, list[float]]


@dataclass(frozen=True)
class OverRun:
    """The curves of a group of tasks. `chance`: mean of their chance levels in percent, None where none is closed."""

    group: str
    title: str
    tasks: list[str]
    chance: float | None
    samples: bool  # places are samples seen; else checkpoints in their order
    curves: list[Curve]


def over_run(members: Sequence[StudyRun], measured: Mapping[str, Measured]) -> list[OverRun]:
    """A panel a group of tasks; none of a group without a task that all runs share at all checkpoints."""
    found = []
    for group, title in GROUPS.items():
        own = [shared_tasks(one.run, group) for one in members]
        tasks = [task for task in own[0] if all(task in others for others in own)]
        if group in measured and measured[group].tasks:
            tasks = [task for task in tasks if task in measured[group].tasks]
        curves = [one for arm in dict.fromkeys(one.arm for one in members) if (one := arm_curve(arm, members, tasks))]
        if not tasks or not any(len(one.places) > 1 for one in curves):
            continue
        about = [members[0].run.last.tasks[task] for task in tasks]
        closed = any(known(one.get("chance")) for one in about)
        found.append(
            OverRun(
                group=group,
                title=title,
                tasks=tasks,
                chance=sum(map(floor, about)) / len(about) if closed else None,
                samples=any(point.samples_seen for one in members for point in one.run.checkpoints),
                curves=curves,
            )
        )
    return found


def arm_curve(arm: str, members: Sequence[StudyRun], tasks: Sequence[str]) -> Curve | None:
    """None where its seeds have no place in common."""
    runs = {one.seed: one.run for one in members if one.arm == arm}
    curves = {seed: group_curve(run, tasks) for seed, run in runs.items()}
    places = sorted(set.intersection(*(set(one) for one in curves.values()))) if tasks else []
    if not places:
        return None
    names = {}
    for place, point in zip(places_of(next(iter(runs.values()))), next(iter(runs.values())).checkpoints, strict=True):
        names[place] = point.name
    per_seed = {seed: [one[place] for place in places] for seed, one in curves.items()}
    return Curve(
        arm=arm,
        places=places,
        checkpoints=[names.get(place, "") for place in places],
        mean=[sum(values) / len(values) for values in zip(*per_seed.values(), strict=True)],
        per_seed=per_seed,
    )


def group_curve(run: Run, tasks: Sequence[str]) -> dict[float, float]:
    """Place -> mean of the tasks, wherever all of them have a number."""
    by_task = [task_curve(run, task) for task in tasks]
    places = set.intersection(*(set(one) for one in by_task)) if by_task else set()
    return {place: sum(one[place] for one in by_task) / len(by_task) for place in places}


def task_curve(run: Run, task: str) -> dict[float, float]:
    """Place -> the task's primary score: subset questions between checkpoints, all questions at them."""
    curve = {}
    for row in run.evals:
        if row.get("task") == task and is_primary(run, row) and known(row.get("value")):
            curve[row.get("samples_seen") or 0] = row["value"]
    return curve | {x: primary(c.tasks[task])["value"] for x, c in zip(places_of(run), run.checkpoints, strict=True)}


def is_primary(run: Run, row: Mapping) -> bool:
    """Is a row of metrics the task's number under its primary rule?"""
    head = primary(run.task_score(row["task"]))
    return row.get("rule", head["rule"]) == head["rule"] and row.get("metric", head.get("metric")) == head.get("metric")


def places_of(run: Run) -> list[int]:
    """Where each checkpoint stands on the axis: the samples it has seen. Checkpoints of which nobody said that (models
    that were only asked) stand one beside the other."""
    seen = [checkpoint.samples_seen for checkpoint in run.checkpoints]
    return seen if any(seen) else list(range(len(seen)))
