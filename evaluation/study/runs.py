"""The runs of a study, read and checked: which folders, which tasks can be compared between them, and which not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data_builders.shared.errors import UserError

from ..ledger import ItemStore, Run, ever_beyond, is_accuracy, known, load_run, primary, stands
from ..scoring.score_files import read_scores
from ..scoring.seen_scores import PARTS
from ..tasks.task import CONDITION
from ..tasks.task_files import all_specs, spec_of

GROUP_MEASURES = {"fine_grained": "fine_grained", "general": "general", "forgetting": "general"}  # -> group of tasks


@dataclass(frozen=True)
class StudyRuns:
    """What a study asks of which runs. `costs`: arm -> device hours, None where unknown.

    `matched`: what was proven equal between the arms, repeated beside the answer: {"what", "values": arm -> number,
    "equal": None where nobody could prove it, "exempt": arms that need not be equal, "note"}.
    """

    name: str | None
    question: str
    arms: Mapping[str, Mapping[int, Path]]  # arm -> seed -> run folder
    # fine_grained, general, forgetting, or a task's name; seen, unseen, harmonic, or TASK:unseen or TASK:spread
    measures: tuple[str, ...] = ("fine_grained", "forgetting")
    contrasts: tuple[tuple[str, str], ...] = ()  # (first, second): first minus second
    matched: Sequence[dict] = ()
    costs: Mapping[str, float | None] = field(default_factory=dict)
    notes: Sequence[str] = ()  # sentences about its arms, which belong beside the answer


@dataclass(frozen=True)
class StudyRun:
    """One run folder of a study."""

    arm: str
    seed: int
    run: Run
    questions: Mapping[str, str]  # task -> hash of what was asked at the last checkpoint, where it is on record

    @property
    def name(self) -> str:
        return f"{self.arm}, seed {self.seed}"


def read_runs(runs: StudyRuns) -> list[StudyRun]:
    """All run folders, arm by arm. UserError: a folder without scores, one given twice, a contrast or cost of an
    unknown arm."""
    check_names(runs)
    found, owners = [], {}
    for arm, seeds in runs.arms.items():
        for seed, folder in sorted(seeds.items()):
            one = StudyRun(arm, seed, load_run(Path(folder)), asked(Path(folder)))
            other = owners.setdefault(Path(folder).resolve(), one.name)
            if other != one.name:
                raise UserError(f"{folder} is given as {other} and as {one.name}; every run stands for one seed")
            found.append(one)
    return found


def check_names(runs: StudyRuns) -> None:
    if not any(runs.arms.values()):
        raise UserError("no run to compare; name at least one run folder an arm, for example early=runs/early_17")
    if not runs.measures:
        raise UserError("no measure to compare by; name fine_grained, forgetting, general or a task")
    for first, second in runs.contrasts:
        for arm in (first, second):
            if arm not in runs.arms:
                raise UserError(f"contrast '{first} - {second}': no arm {arm!r}; arms: {', '.join(runs.arms)}")
        if first == second:
            raise UserError(f"contrast '{first} - {second}' compares an arm with itself; name two of its arms")
    for arm in runs.costs:
        if arm not in runs.arms:
            raise UserError(f"costs of {arm!r}, which is no arm; arms: {', '.join(runs.arms)}")


def asked(folder: Path, checkpoint: int = -1) -> dict[str, str]:
    """Task -> hash of what was asked at that checkpoint, where it is on record."""
    entries = read_scores(folder)["checkpoints"]
    questions = entries[checkpoint].get("questions") if entries else None
    return questions if isinstance(questions, dict) else {}


def has_number(run: Run, task: str, *, checkpoint: int = -1) -> bool:
    """Whether the task has a number in percent at that checkpoint."""
    score = run.checkpoints[checkpoint].tasks.get(task)
    return score is not None and is_accuracy(score) and known(primary(score)["value"])


def numbered_before(run: Run, task: str) -> bool:
    """Whether the task has one at a checkpoint before the last: otherwise nothing can have been forgotten."""
    return any(has_number(run, task, checkpoint=place) for place in range(len(run.checkpoints) - 1))


def of_task(task: str, measure: str) -> bool:
    """frow/cub is of frow, as fgbmk/cub/species/choice is of fgbmk/cub; and a task is of its task file's name, by which
    recipes ask it: drawn/count is of drawn_count."""
    if task == measure or task.startswith(f"{measure}/"):
        return True
    return measure in all_specs() and CONDITION not in task and spec_of(task)[0].name == measure


def tasks_of(measure: str, run: Run) -> list[str]:
    """The tasks of this run that the measure is made of; none: the run does not have it."""
    group = GROUP_MEASURES.get(measure)
    if group is None and measure in run.last.tasks:
        return [measure] if known(primary(run.last.tasks[measure])["value"]) else []
    if group is None:
        return [task for task in run.last.tasks if of_task(task, measure) and has_number(run, task)]
    tasks = [task for task, score in run.last.tasks.items() if score["group"] == group and has_number(run, task)]
    return [task for task in tasks if numbered_before(run, task)] if measure == "forgetting" else tasks


# A sentence about a measure, as what stands before its name and behind it: said once for several that it holds of.
AboutMeasure = tuple[str, str]


@dataclass(frozen=True)
class CommonTasks:
    """The runs that have a measure, the tasks that all of them were asked alike, and what was left out and why."""

    runs: list[StudyRun]
    tasks: list[str]
    left_out: list[AboutMeasure]


def common_tasks(measure: str, runs: Sequence[StudyRun], store: ItemStore, called: str) -> CommonTasks:
    """`called`: the measure's name in words. UserError: it is neither a known one nor a task of any run."""
    having = {one.name: tasks for one in runs if (tasks := tasks_of(measure, one.run))}
    if measure not in GROUP_MEASURES and not having:
        known_tasks = sorted({task for one in runs for task in one.run.last.tasks})
        raise UserError(
            f"measure {called!r} is no task of these runs; measures: {', '.join((*GROUP_MEASURES, *PARTS))}, or a "
            f"task: {', '.join(known_tasks)}"
        )
    members = [one for one in runs if one.name in having]
    common, left_out = [], []
    for task in dict.fromkeys(task for tasks in having.values() for task in tasks):
        without = [name for name, tasks in having.items() if task not in tasks]
        if without:
            left_out.append((f"{task}: not in ", f", as it is not measured in {listed(without)}"))
        elif measure == "forgetting" and not any(ever_beyond(one.run.checkpoints, task) for one in members):
            how = stands(members[0].run.last.tasks[task])
            left_out.append((f"{task}: not in ", f", as nothing was there to forget in any run ({how})"))
        elif other := first_asked_otherwise(task, members, store):
            others = "has other categories held out" if held_otherwise(task, members) else "was asked other questions"
            left_out.append((f"{task}: not in ", f", as {other} {others} than {members[0].name}"))
        else:
            common.append(task)
    return CommonTasks(members, common, left_out)


def first_asked_otherwise(task: str, runs: Sequence[StudyRun], store: ItemStore) -> str | None:
    """The first run whose questions, or whose way to score them, are not those of the first; None: all alike."""
    head, *others = runs
    about = asked_as(head, task)
    ids = ids_of(head, task, store)
    for one in others:
        if asked_as(one, task) != about:
            return one.name
        own = ids_of(one, task, store)
        if ids is not None and own is not None and not np.array_equal(ids, own):
            return one.name
    return None


def held_otherwise(task: str, runs: Sequence[StudyRun]) -> bool:
    return len({(one.run.last.tasks[task].get("part") or {}).get("list") for one in runs}) > 1


def asked_as(one: StudyRun, task: str) -> tuple:
    score = one.run.last.tasks[task]
    head = primary(score)
    held_out = (score.get("part") or {}).get("list")
    return (score.get("n"), score.get("version"), head["rule"], head.get("metric"), one.questions.get(task), held_out)


def ids_of(one: StudyRun, task: str, store: ItemStore) -> np.ndarray | None:
    answers = store.answers(one.run, one.run.last, task)
    return None if answers is None else answers.ids


def listed(names: Sequence[str], most: int = 3) -> str:
    """'a, b, c and 4 more'."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
