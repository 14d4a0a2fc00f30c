"""The same questions in every wording, side by side (FG-BMK's Tables 7 and 8)."""

from ..compare import Comparison
from ..ledger import Checkpoint, known, primary
from .papers import cell, first_and_last, groups_of, tasks_in

METRICS = {
    "spread_of_wording": "spread",
    "spread_of_wording_by_chance": "spread by chance",
    "alike_in_all_wordings": "right or wrong alike",
    "same_answer_in_all_wordings": "the same answer",
}


def wording_table(found: Comparison) -> dict | None:
    """{"wordings", "metrics", "tasks": [{"title", "rows"}]}: a row a run and checkpoint, a cell each wording, then what
    they come to. None without such tasks."""
    titles = {task: title for task, title in tasks_in(found).items() if task.startswith("fgbmk_wordings/")}
    columns = first_and_last(found)
    names = {name for task in titles for column in columns for name in _by_wording(column["checkpoint"], task)}
    wordings = sorted(names, key=lambda name: (len(name), name))
    tasks = []
    for task, title in titles.items():
        rows = []
        for column in columns:
            if task in column["checkpoint"].tasks:
                by = _by_wording(column["checkpoint"], task)
                cells = [cell(by.get(name)) for name in wordings]
                rows.append({**column, "cells": cells, "metrics": _metrics(column["checkpoint"].tasks[task])})
        tasks.append({"title": title, "rows": rows})
    return {"wordings": wordings, "metrics": list(METRICS.values()), "tasks": tasks} if tasks else None


def _by_wording(checkpoint: Checkpoint, task: str) -> dict[str, dict]:
    return {str(one["name"]): one for one in groups_of(checkpoint, task) if one["by"] == "wording"}


def _metrics(score: dict) -> list[dict | None]:
    rule = primary(score)["rule"]
    by = {one.get("metric"): one for one in score["scores"] if one["rule"] == rule and known(one.get("value"))}
    return [by.get(name) for name in METRICS]
