"""The report's table: a row a task and rule, a column a checkpoint, never a number without n and interval."""

from .report_data import GROUPS, Checkpoint, Run, is_accuracy, known, primary
from .report_items import ItemStore, change, group_mean, shared_tasks


def score_table(store: ItemStore, runs: list[Run]) -> dict:
    """{"columns", "sections", "footnotes"}: sections hold an optional mean row and the tasks; cells follow the columns."""
    columns = [(index, run, i) for index, run in enumerate(runs) for i in range(len(run.checkpoints))]
    footnotes: list[str] = []
    sections = []
    for group, title, accuracies in (
        *((group, f"{title} tasks", True) for group, title in GROUPS.items()),
        *((group, f"{title} measures in other units", False) for group, title in GROUPS.items()),
    ):
        tasks = dict.fromkeys(
            task
            for run in runs
            for checkpoint in run.checkpoints
            for task, score in checkpoint.tasks.items()
            if score["group"] == group and is_accuracy(score) == accuracies
        )
        if tasks:
            mean = [_mean_cell(store, run, i, group) for _, run, i in columns] if accuracies and len(tasks) > 1 else None
            rows = [_task_rows(store, runs, columns, task, footnotes) for task in tasks]
            sections.append({"group": group, "title": title, "mean": mean, "tasks": rows})
    return {"columns": [_header(runs, *column) for column in columns], "sections": sections, "footnotes": footnotes}


def _header(runs: list[Run], index: int, run: Run, i: int) -> dict:
    checkpoint = run.checkpoints[i]
    # The same weights in an earlier run: two columns of equal numbers are then no coincidence.
    twin = next(
        (
            f"{other.name} / {c.name}"
            for other in runs[:index]
            for c in other.checkpoints
            if checkpoint.model_hash and c.model_hash == checkpoint.model_hash
        ),
        None,
    )
    return {"index": index, "run": run, "checkpoint": checkpoint, "first": i == 0, "twin": twin}


def _mean_cell(store: ItemStore, run: Run, i: int, group: str) -> dict | None:
    mean = group_mean(store, run, run.checkpoints[i], group)
    if mean is None:
        return None
    before = run.checkpoints[i - 1] if i else None
    moved = change(store, run, before, run.checkpoints[i], shared_tasks(run, group)) if before else None
    return {
        "value": mean.value,
        "low": max(mean.low, 0.0),
        "high": min(mean.high, 100.0),
        "n": mean.n,
        "tasks": mean.tasks,
        "delta": _delta(moved.value, moved.clear, True) if moved else None,
    }


def _task_rows(store: ItemStore, runs: list[Run], columns: list, task: str, footnotes: list[str]) -> dict:
    """One task: what is said of it, and a line for each (rule, metric) with a cell for each column."""
    seen = [(run, run.checkpoints[i]) for _, run, i in columns if task in run.checkpoints[i].tasks]
    about = seen[-1][1].tasks[task]
    head = primary(about)
    keys = dict.fromkeys([_key(head)])
    keys |= dict.fromkeys(_key(score) for _, checkpoint in seen for score in checkpoint.tasks[task]["scores"])
    lines = []
    for rule, metric in keys:
        main = (rule, metric) == _key(head)
        cells = [_cell(store, run, i, task, rule, metric, main) for _, run, i in columns]
        lines.append({"rule": rule, "metric": metric, "main": main, "cells": cells})
    marks = []
    for note in about.get("notes") or []:
        if note not in footnotes:
            footnotes.append(note)
        marks.append(footnotes.index(note) + 1)
    several = len({rule for rule, _ in keys}) > 1
    differ = [run.checkpoints[i].tasks.get(task) for _, run, i in columns] if several else None
    return {"task": task, "title": about["title"], "about": about, "lines": lines, "marks": marks, "differ": differ}


def _cell(store: ItemStore, run: Run, i: int, task: str, rule: str, metric: str, main: bool) -> dict | None:
    score = _score(run.checkpoints[i], task, rule, metric)
    if score is None:
        return None
    before = _score(run.checkpoints[i - 1], task, rule, metric) if i else None
    delta = None
    if main and before and known(before["value"]) and known(score["value"]):
        higher = run.checkpoints[i].tasks[task].get("higher_is_better", True)
        if is_accuracy(run.checkpoints[i].tasks[task]):
            moved = change(store, run, run.checkpoints[i - 1], run.checkpoints[i], [task])
            delta = _delta(moved.value, moved.clear, higher)
        else:
            apart = (score.get("low") or 0) > (before.get("high") or 0) or (score.get("high") or 0) < (
                before.get("low") or 0
            )
            delta = _delta(score["value"] - before["value"], apart, higher)
    digits = 2 if score.get("unit") == "perplexity" else 1
    return {**score, "delta": delta, "digits": digits}


def _score(checkpoint: Checkpoint, task: str, rule: str, metric: str) -> dict | None:
    scores = checkpoint.tasks.get(task, {}).get("scores", [])
    return next((score for score in scores if _key(score) == (rule, metric)), None)


def _key(score: dict) -> tuple[str, str]:
    return score["rule"], score.get("metric") or "accuracy"


def _delta(value: float, clear: bool, higher_is_better: bool) -> dict:
    """A change as it is shown: `tone` is better, worse, or unclear (the interval holds zero)."""
    tone = "unclear" if not clear else "better" if (value > 0) == higher_is_better else "worse"
    return {"value": value, "tone": tone, "arrow": "▲" if value > 0 else "▼" if value < 0 else "＝"}
