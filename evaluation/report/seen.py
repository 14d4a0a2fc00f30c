"""Scores for seen and for unseen categories, and their harmonic mean: each run where it began and where it ended."""

from ..compare import Comparison
from ..ledger import known
from ..scoring.seen_scores import HELD_OUT, PARTS
from .papers import cell, first_and_last, groups_of, tasks_in


def seen_table(found: Comparison) -> dict | None:
    """{"columns", "means": [{"part", "cells"}], "tasks": [{"title", "rows": [{"part", "chance", "cells"}]}]}.

    None where no run has categories held out. Cells follow the columns; means are over all split tasks of a run.
    """
    columns = [one for one in first_and_last(found) if one["run"].sides]
    tasks = []
    for task, title in tasks_in(found).items():
        parts = [_parts(column, task) for column in columns]
        if any(parts):
            rows = [{"part": part, "cells": [cell(one.get(part)) for one in parts]} for part in PARTS]
            for row in rows:
                row["chance"] = next((c["chance"] for c in row["cells"] if c and known(c.get("chance"))), None)
            tasks.append({"title": title, "rows": rows})
    if not tasks:
        return None
    return {
        "columns": columns,
        "means": [{"part": part, "cells": _means(found, columns, part)} for part in PARTS],
        "tasks": tasks,
    }


def _parts(column: dict, task: str) -> dict[str, dict]:
    score = column["checkpoint"].tasks.get(task)
    groups = groups_of(column["checkpoint"], task)
    return {str(one["name"]): one for one in groups if one["by"] == HELD_OUT and one["rule"] == score["primary"]}


def _means(found: Comparison, columns: list[dict], part: str) -> list[dict | None]:
    cells = []
    for column in columns:
        result = found.runs[column["index"]]
        means = result.parts.get(part)
        one = means[result.run.checkpoints.index(column["checkpoint"])] if means else None
        cells.append(one and {key: getattr(one, key) for key in ("value", "low", "high", "n")})
    return cells
