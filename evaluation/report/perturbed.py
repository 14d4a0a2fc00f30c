"""What perturbed pictures cost: a row a task and perturbation, a column a checkpoint."""

from ..compare import Comparison
from ..compare.perturbed import conditions_of, drop_in
from ..ledger import known, primary, stands


def perturbed_table(found: Comparison) -> dict | None:
    """{"columns", "rows"}: a row is {"title", "condition", "first": of its task, "plain", "chance", "cells"}; a cell
    the perturbed score with its "drop" and how it "stands" to guessing, or None. None where nothing was perturbed.
    """
    runs = [one.run for one in found.runs]
    columns = [
        {"index": index, "run": run, "checkpoint": checkpoint, "first": place == 0}
        for index, run in enumerate(runs)
        for place, checkpoint in enumerate(run.checkpoints)
    ]
    rows = []
    for task, names in conditions_of(runs).items():
        for number, name in enumerate(names):
            cells = [_cell(column["checkpoint"].tasks.get(name)) for column in columns]
            about = next(one for run in runs if (one := run.task_score(name)) is not None)
            rows.append(
                {
                    "title": about["title"].rpartition(", ")[0],
                    "condition": name.partition("@")[2].replace("_", " "),
                    "first": number == 0,
                    "plain": [_cell(column["checkpoint"].tasks.get(task)) for column in columns],
                    "chance": about.get("chance"),
                    "cells": cells,
                }
            )
    return {"columns": columns, "rows": rows} if rows else None


def _cell(score: dict | None) -> dict | None:
    if score is None or not known(primary(score).get("value")):
        return None
    guessed = stands(score) if known(score.get("chance")) else ""
    return {**primary(score), "drop": drop_in(score), "stands": guessed}
