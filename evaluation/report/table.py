"""The report's table: a row a task and rule, a column a checkpoint, never a number without n and interval."""

import re

from ..compare import Comparison, RunResult
from ..judging.recognition import OUTCOMES
from ..ledger import GROUPS, Checkpoint, Run, is_accuracy, known, primary, stands

MANY = 7  # columns; where there are more, cells are narrow and a row's n stands once

# a note that counts: "12 of 300 answers unparsed under strict"
COUNTED = re.compile(r"([\d,]+) of ([\d,]+) (.+)", re.S)


def score_table(found: Comparison) -> dict:
    """{"columns", "many", "sections", "footnotes"}: a section holds a mean row or None, and tasks; cells follow the
    columns. `many`: are there so many columns that cells should be narrow?
    """
    runs = [one.run for one in found.runs]
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
            mean = (
                [_mean_cell(found.runs[index], i, group) for index, _, i in columns]
                if accuracies and len(tasks) > 1
                else None
            )
            rows = [_task_rows(found, columns, task, footnotes) for task in tasks]
            sections.append({"group": group, "title": title, "mean": mean, "tasks": rows})
    return {
        "columns": [_header(runs, *column) for column in columns],
        "many": len(columns) > MANY,
        "sections": sections,
        "footnotes": footnotes,
    }


def same_n(cells: list[dict | None]) -> int | None:
    """The n of all cells; None where they differ, or there is none."""
    found = {cell["n"] for cell in cells if cell}
    return found.pop() if len(found) == 1 else None


def unit_of(cells: list[dict | None]) -> str:
    """Of a row's numbers: percent, unless its scores name another."""
    unit = next((str(cell["unit"]) for cell in cells if cell and cell.get("unit")), "percent")
    return "%" if unit == "percent" else unit


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


def _mean_cell(result: RunResult, i: int, group: str) -> dict | None:
    mean = result.means[group][i]
    if mean is None:
        return None
    moved = result.changes[group][i - 1] if i else None
    return {
        "value": mean.value,
        "low": max(mean.low, 0.0),
        "high": min(mean.high, 100.0),
        "n": mean.n,
        "tasks": mean.tasks,
        "delta": _delta(moved.value, moved.counts, True) if moved else None,
        "marks": [],
        "stands": "",
    }


def _task_rows(found: Comparison, columns: list, task: str, footnotes: list[str]) -> dict:
    """One task: what is said of it, and a line for each (rule, metric) with a cell for each column."""
    seen = [(run, run.checkpoints[i]) for _, run, i in columns if task in run.checkpoints[i].tasks]
    about = seen[-1][1].tasks[task]
    head = primary(about)
    keys = dict.fromkeys([_key(head)])
    keys |= dict.fromkeys(_key(score) for _, checkpoint in seen for score in checkpoint.tasks[task]["scores"])
    # names have bars of their own
    keys = {key: None for key in keys if key[0] not in OUTCOMES}
    lines: list[dict] = []
    for rule, metric in keys:
        main = (rule, metric) == _key(head)
        cells = [_cell(found.runs[index], i, task, rule, metric, main) for index, _, i in columns]
        twin = None if main else next((line for line in lines if _equal(cells, line["cells"])), None)
        if twin:
            twin["same"].append(rule if metric == "accuracy" else f"{rule} {metric.replace('_', ' ')}")
        else:
            lines.append({"rule": rule, "metric": metric.replace("_", " "), "main": main, "cells": cells, "same": []})
    scores = [run.checkpoints[i].tasks.get(task) for _, run, i in columns]
    counts, marks = _place_notes(scores, lines[0]["cells"], footnotes)
    if len({rule for rule, _ in keys}) > 1:
        counts.insert(
            0, ("rules differ", [score and (score.get("disagreements") or 0, score["n"]) for score in scores])
        )
    chances = [score["chance"] for score in scores if score and known(score.get("chance"))]
    return {
        "task": task,
        "title": about["title"],
        "lines": lines,
        "counts": counts,
        "marks": marks,
        "chance": chances[-1] if chances else None,
    }


def _equal(cells: list[dict | None], others: list[dict | None]) -> bool:
    """Whether two lines say the same in every column, so that one of them is enough."""
    return all(
        (a is None and b is None) or (a and b and all(a[k] == b[k] for k in ("value", "low", "high", "n")))
        for a, b in zip(cells, others, strict=True)
    )


def _place_notes(
    scores: list[dict | None], cells: list[dict | None], footnotes: list[str]
) -> tuple[list[tuple[str, list]], list[int]]:
    """The task's notes as rows of counts ("12 of 300 answers unparsed": one row for all columns) and as footnotes.

    Footnotes of every column are returned as numbers; those of one column are put into its cell ("marks").
    """
    notes = [(score or {}).get("notes") or [] for score in scores]
    counts: dict[str, list] = {}
    for column, some in enumerate(notes):
        for note in some:
            if match := COUNTED.fullmatch(note):
                row = counts.setdefault(match[3], [score and (0, score.get("n")) for score in scores])
                row[column] = int(match[1].replace(",", "")), int(match[2].replace(",", ""))
    plain = [[note for note in some if not COUNTED.fullmatch(note)] for some in notes]
    everywhere = [note for note in plain[-1] if all(note in some for some in plain)]

    def number(note: str) -> int:
        if note not in footnotes:
            footnotes.append(note)
        return footnotes.index(note) + 1

    marks = [number(note) for note in everywhere]
    for cell, some in zip(cells, plain, strict=True):
        if cell:
            cell["marks"] = [number(note) for note in some if note not in everywhere]
    return list(counts.items()), marks


def _cell(result: RunResult, i: int, task: str, rule: str, metric: str, main: bool) -> dict | None:
    run = result.run
    score = _score(run.checkpoints[i], task, rule, metric)
    if score is None:
        return None
    before = _score(run.checkpoints[i - 1], task, rule, metric) if i else None
    delta = None
    if main and before and known(before["value"]) and known(score["value"]):
        higher = run.checkpoints[i].tasks[task].get("higher_is_better", True)
        if is_accuracy(run.checkpoints[i].tasks[task]):
            moved = result.tasks[task].from_before[i - 1]
            delta = _delta(moved.value, moved.counts, higher) if moved else None
        else:
            delta = _delta(score["value"] - before["value"], _apart(before, score), higher)
    digits = 2 if score.get("unit") == "perplexity" else 1
    about = run.checkpoints[i].tasks[task]
    guessed = stands(about) if main and known(about.get("chance")) else ""
    return {**score, "delta": delta, "digits": digits, "marks": [], "stands": guessed}


def _apart(a: dict, b: dict) -> bool:
    """Whether two intervals share no point; False where one is missing."""
    ends = (a.get("low"), a.get("high"), b.get("low"), b.get("high"))
    return all(known(end) for end in ends) and (ends[2] > ends[1] or ends[3] < ends[0])


def _score(checkpoint: Checkpoint, task: str, rule: str, metric: str) -> dict | None:
    scores = checkpoint.tasks.get(task, {}).get("scores", [])
    return next((score for score in scores if _key(score) == (rule, metric)), None)


def _key(score: dict) -> tuple[str, str]:
    return score["rule"], score.get("metric") or "accuracy"


def _delta(value: float, clear: bool, higher_is_better: bool) -> dict:
    """A change as it is shown: `tone` is better, worse, or unclear (the interval holds zero, or the task is at
    chance)."""
    tone = "unclear" if not clear else "better" if (value > 0) == higher_is_better else "worse"
    return {"value": value, "tone": tone, "arrow": "▲" if value > 0 else "▼" if value < 0 else ""}
