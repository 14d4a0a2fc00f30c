"""The item ledger between consecutive checkpoints, summed over tasks, as the report shows it."""

from .ledger import WORDS
from .report_data import GROUPS, Run
from .report_items import ItemStore, ledger

# As bars are read from left to right: right now, then wrong now.
ORDER = ("kept", "regained", "learned", "forgotten", "still forgotten", "never right yet")


def ledger_tables(store: ItemStore, runs: list[Run]) -> list[dict]:
    """For each run: {"groups": {group: [step, ...]}, "tasks": [...], "missing": [...]}.

    A step is {"before", "after", "counts", "total"}; "tasks" holds the same for each task, and "missing" the titles of
    tasks without answers files (their items cannot be followed).
    """
    return [_run_ledger(store, run) for run in runs]


def _run_ledger(store: ItemStore, run: Run) -> dict:
    groups: dict[str, list[dict]] = {}
    tasks, missing = [], []
    for task, score in run.last.tasks.items():
        counts = ledger(store, run, task)
        if counts is None:
            if score.get("higher_is_better", True):
                missing.append(str(score["title"]))
            continue
        tasks.append({"title": score["title"], "steps": [_step(run, i, c) for i, c in enumerate(counts)]})
        summed = groups.setdefault(score["group"], [dict.fromkeys(WORDS, 0) for _ in counts])
        for total, part in zip(summed, counts, strict=True):
            for word, number in part.items():
                total[word] += number
    ordered = {g: [_step(run, i, c) for i, c in enumerate(groups[g])] for g in GROUPS if g in groups}
    return {"groups": ordered, "tasks": tasks, "missing": missing}


def _step(run: Run, index: int, counts: dict[str, int]) -> dict:
    return {
        "before": run.checkpoints[index].name,
        "after": run.checkpoints[index + 1].name,
        "counts": {word: counts[word] for word in ORDER},
        "total": sum(counts.values()),
    }
