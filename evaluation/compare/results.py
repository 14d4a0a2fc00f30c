"""All that a comparison of runs comes to, in one place: printed, written down and drawn from here."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from data_builders.shared.progress import progress

from ..ledger import (
    GROUPS,
    Change,
    Estimate,
    ForgottenItem,
    ItemStore,
    Run,
    TaskHistory,
    change_of,
    compare_answers,
    ever_beyond,
    forgetting,
    group_mean,
    is_accuracy,
    known,
    left_out,
    mean_change,
    most_forgotten,
    primary,
    shared_tasks,
    task_history,
    unmeasured,
    unpaired,
    with_holm,
)
from ..ledger.seen_or_unseen import run_of_part
from ..scoring.seen_scores import PARTS
from ..tasks.task import CONDITION


@dataclass
class TaskResult:
    """One task of one run. `from_base`, `from_before`: a change for every checkpoint but the first; None where one of
    the two has no number."""

    task: str
    title: str
    group: str
    history: TaskHistory | None
    from_base: list[Change | None]
    from_before: list[Change | None]


@dataclass
class RunResult:
    """`means[group]`: an estimate a checkpoint; `gain` and `forgetting`: for every checkpoint but the first."""

    run: Run
    tasks: dict[str, TaskResult]
    means: dict[str, list[Estimate | None]]
    gain: list[Estimate | None]
    forgetting: list[Estimate | None]
    changes: dict[str, list[Estimate | None]]  # group -> mean change from the checkpoint before
    parts: dict[
        str, list[Estimate | None]
    ]  # seen, unseen, harmonic -> mean of the fine-grained tasks; {}: not held out
    missing: list[str]  # titles of tasks whose items cannot be followed
    unmeasured: dict[str, str]  # gain, forgetting -> why there is no number for it
    left_out: str  # the general tasks that had nothing to forget, in words


@dataclass
class Between:
    """The last checkpoints of two runs, task by task: `other` minus `first` (places of the runs)."""

    first: int
    other: int
    changes: list[Change]


@dataclass
class Comparison:
    """Runs by themselves, each against the first, and the items that are forgotten most often."""

    store: ItemStore
    runs: list[RunResult]
    between: list[Between] = field(default_factory=list)
    most_forgotten: list[ForgottenItem] = field(default_factory=list)


def compare_runs(runs: Sequence[Run], store: ItemStore | None = None) -> Comparison:
    """Every run by itself, then each against the first, then the items that are forgotten most often."""
    store, results = store or ItemStore(), []
    found = Comparison(store, results)
    with progress("comparing", "runs", len(runs), brief=True) as advance:
        for number, run in enumerate(runs):
            results.append(run_result(store, run))
            if number and (changes := between_runs(store, runs[0], run)):
                found.between.append(Between(0, number, changes))
            advance(1)
    histories: dict[str, dict[int, TaskHistory]] = {}
    for number, result in enumerate(results):
        for task, one in result.tasks.items():
            counts = one.group in GROUPS  # what is measured beside the means is in them already, or explains them
            if counts and one.history is not None and ever_beyond(result.run.checkpoints, task):
                histories.setdefault(task, {})[number] = one.history
    found.most_forgotten = most_forgotten(histories, [[c.model_hash for c in run.checkpoints] for run in runs])
    return found


def run_result(store: ItemStore, run: Run) -> RunResult:
    tasks, missing, later = {}, [], range(1, len(run.checkpoints))
    for name in dict.fromkeys(task for one in run.checkpoints for task in one.tasks):
        about = run.task_score(name)
        if not is_accuracy(about) or CONDITION in name:  # their drops are tested, not their changes
            continue
        history = task_history(store, run, name)
        if history is None:
            missing.append(str(about["title"]))
        tasks[name] = TaskResult(
            name,
            str(about["title"]),
            about["group"],
            history,
            [change_between(store, run, name, history, 0, c) for c in later],
            [change_between(store, run, name, history, c - 1, c) for c in later],
        )
    for place in range(len(later)):
        for kind in ("from_base", "from_before"):
            changes = [getattr(one, kind)[place] for one in tasks.values()]
            adjusted = {one.task: one for one in with_holm([one for one in changes if one is not None])}
            for name, one in tasks.items():
                getattr(one, kind)[place] = adjusted.get(name)
    fine, general = shared_tasks(run, "fine_grained"), shared_tasks(run, "general")
    points = run.checkpoints
    return RunResult(
        run=run,
        tasks=tasks,
        means={group: [group_mean(store, run, one, group) for one in points] for group in GROUPS},
        gain=[mean_change(store, run, points[0], points[c], fine) for c in later],
        forgetting=[forgetting(store, run, general, c + 1) for c in later],
        changes={
            group: [mean_change(store, run, points[c - 1], points[c], tasks_of) for c in later]
            for group, tasks_of in (("fine_grained", fine), ("general", general))
        },
        parts=part_means(store, run),
        missing=missing,
        unmeasured=unmeasured(run),
        left_out=left_out(run),
    )


def part_means(store: ItemStore, run: Run) -> dict[str, list[Estimate | None]]:
    """Of the tasks whose scores are split at every checkpoint."""
    found = {}
    for part in PARTS if run.sides else ():
        own = run_of_part(run, part)
        means = [group_mean(store, own, one, "fine_grained") for one in own.checkpoints]
        if any(means):
            found[part] = means
    return found


def change_between(
    store: ItemStore, run: Run, task: str, history: TaskHistory | None, first: int, second: int
) -> Change | None:
    scores = tuple(run.checkpoints[place].tasks.get(task) for place in (first, second))
    if any(one is None or not known(primary(one)["value"]) for one in scores):
        return None
    if history is not None:
        return change_of(history, first, second, scores)
    pair = [store.answers(run, run.checkpoints[place], task) for place in (first, second)]
    found = compare_answers(task, *pair, scores) if all(one is not None for one in pair) else None
    return found or unpaired(task, *scores)


def between_runs(store: ItemStore, first: Run, other: Run) -> list[Change]:
    found = []
    for task, score in first.last.tasks.items():
        twin = other.last.tasks.get(task)
        if twin is None or CONDITION in task:
            continue
        if not all(is_accuracy(one) and known(primary(one)["value"]) for one in (score, twin)):
            continue
        pair = [store.answers(run, run.last, task) for run in (first, other)]
        change = compare_answers(task, *pair, (score, twin)) if all(one is not None for one in pair) else None
        found.append(change or unpaired(task, score, twin))
    return with_holm(found)
