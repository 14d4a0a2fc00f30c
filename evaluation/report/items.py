"""The item ledger as the report shows it: summed over tasks, and on the fixed subset between checkpoints too."""

from ..compare import Comparison, RunResult
from ..ledger import GROUPS, WORDS, ItemStore, ever_beyond, history_with_steps, stands


def ledger_tables(found: Comparison) -> list[dict]:
    """For each run: {"groups": {group: [step, ...]}, "between": the same on the subset asked during training,
    "tasks": [...], "missing": [...]}.

    A step is {"before", "after", "counts", "total"}; "tasks" holds the same for each task, with how it "stands" where
    it was never above chance (its items go up and down by luck, and are in no sum), and "missing" the titles of tasks
    without answers files (their items cannot be followed).
    """
    return [_run_ledger(found.store, result) for result in found.runs]


def _run_ledger(store: ItemStore, result: RunResult) -> dict:
    groups: dict[str, list[dict]] = {}
    between: dict[str, list[dict]] = {}
    tasks = []
    names = [one.name for one in result.run.checkpoints]
    for one in result.tasks.values():
        if one.history is None:
            continue
        words = one.history.words()
        steps = [_step(names[i], names[i + 1], counts) for i, counts in enumerate(words)]
        guessed = "" if ever_beyond(result.run.checkpoints, one.task) else stands(result.run.last.tasks[one.task])
        tasks.append({"title": one.title, "steps": steps, "stands": guessed})
        if guessed:
            continue
        _add(groups.setdefault(one.group, []), steps)
        with_steps = history_with_steps(store, result.run, one.task)
        if with_steps is not None:
            times, history = with_steps
            labels = [time.name for time in times]
            some = [_step(labels[i], labels[i + 1], counts) for i, counts in enumerate(history.words())]
            _add(between.setdefault(one.group, []), some)
    return {
        "groups": {group: groups[group] for group in GROUPS if group in groups},
        "between": {group: between[group] for group in GROUPS if group in between},
        "tasks": tasks,
        "missing": result.missing,
    }


def _step(before: str, after: str, counts: dict[str, int]) -> dict:
    counts = {word: counts[word] for word in WORDS}
    return {"before": before, "after": after, "counts": counts, "total": sum(counts.values())}


def _add(total: list[dict], steps: list[dict]) -> None:
    """Sum over tasks, step by step; tasks that were asked at other times are left out of the sum."""
    if not total:
        total += [{**step, "counts": dict(step["counts"])} for step in steps]
        return
    if [(one["before"], one["after"]) for one in total] != [(one["before"], one["after"]) for one in steps]:
        return
    for one, step in zip(total, steps, strict=True):
        one["total"] += step["total"]
        for word, number in step["counts"].items():
            one["counts"][word] += number
