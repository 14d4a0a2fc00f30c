"""Every task's changes with their tests, a table a run: from the base, and from each stage to the next."""

from ..compare import Comparison, RunResult
from ..ledger import GROUPS, Change
from ..ledger.faults import FAULTS, NONE

WRONG = FAULTS[NONE]


def change_tables(found: Comparison) -> list[dict | None]:
    """For each run {"columns", "sections", "unweighed", "weighed"}; None for a run with one checkpoint.

    A cell is {"change", "delta", "guessed": is it of a task at chance, "lost": [(words, items)]} or None.
    """
    return [_of_run(one) if len(one.run.checkpoints) > 1 else None for one in found.runs]


def _of_run(result: RunResult) -> dict:
    names = [one.name for one in result.run.checkpoints]
    last = len(names) - 1
    columns = [(names[i], names[i + 1], "from_before", i) for i in range(last)]
    if last > 1:
        columns.append((names[0], names[-1], "from_base", last - 1))
    sections, weighed, moved = [], 0, 0
    for group, title in GROUPS.items():
        rows = []
        for one in result.tasks.values():
            if one.group == group:
                changes = [getattr(one, kind)[i] for _, _, kind, i in columns]
                rows.append({"task": one.task, "title": one.title, "cells": [_cell(change) for change in changes]})
                for change in changes:
                    weighed += change.split.weighed if change and change.split else 0
                    moved += change.split.moved if change and change.split else 0
        if rows:
            sections.append({"title": f"{title} tasks", "rows": rows})
    return {
        "columns": [{"before": a, "after": b, "base": kind == "from_base"} for a, b, kind, _ in columns],
        "sections": sections,
        "weighed": weighed,
        "moved": moved,
    }


def _cell(change: Change | None) -> dict | None:
    if change is None:
        return None
    tone = "unclear" if not change.counts else "better" if change.value > 0 else "worse"
    arrow = "▲" if change.value > 0 else "▼" if change.value < 0 else ""
    lost = change.split.lost if change.split else {}
    words = [("well formed but wrong" if name == WRONG else name, count) for name, count in lost.items()]
    return {
        "change": change,
        "delta": {"value": change.value, "tone": tone, "arrow": arrow},
        "guessed": change.clear and not change.beyond,
        "lost": sorted(words, key=lambda pair: -pair[1]),
    }
