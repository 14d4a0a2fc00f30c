"""Tables in the form of the papers, where a run has their data: FG-BMK's Table 2 (attributes), FROW's Table 1
(recognition, content, final) and Table 2 (strategies side by side)."""

from ..compare import Comparison
from ..ledger import Checkpoint, Run, is_accuracy, known, primary
from ..scoring.seen_scores import HELD_OUT
from ..tasks.task import CONDITION

FROW_METRICS = ("recognition", "content", "final")


def first_and_last(found: Comparison) -> list[dict]:
    """The columns of most tables: where each run began and where it ended."""
    columns = []
    for index, result in enumerate(found.runs):
        points = result.run.checkpoints
        for place in dict.fromkeys((0, len(points) - 1)):
            columns.append({"index": index, "run": result.run, "checkpoint": points[place], "first": place == 0})
    return columns


def groups_of(checkpoint: Checkpoint, task: str) -> list[dict]:
    """A task's scores by group, with `by` filled in; [] where the scores file is older than they are."""
    found = checkpoint.tasks.get(task, {}).get("groups") or []
    return [{"by": "", "metric": "accuracy", **one} for one in found if isinstance(one, dict) and "name" in one]


def tasks_in(found: Comparison) -> dict[str, str]:
    """Task -> title, over all runs; without those about perturbed pictures."""
    titles = {}
    for result in found.runs:
        for checkpoint in result.run.checkpoints:
            for task, score in checkpoint.tasks.items():
                if CONDITION not in task:
                    titles.setdefault(task, str(score["title"]))
    return titles


def cell(score: dict | None) -> dict | None:
    return score if score is not None and known(score.get("value")) else None


def lines(columns: list[dict], task: str, by: str) -> list[dict]:
    """A row for every name of the key `by`, in the order of the first column that has it."""
    names: dict[str, None] = {}
    values: list[dict[str, dict]] = []
    for column in columns:
        found = {}
        for one in groups_of(column["checkpoint"], task):
            if one["by"] == by:
                found.setdefault(str(one["name"]), one)  # the first metric of a name is its headline
        names |= dict.fromkeys(found)
        values.append(found)
    return [{"name": name, "cells": [cell(one.get(name)) for one in values]} for name in names]


def attribute_tables(found: Comparison) -> list[dict]:
    """FG-BMK's Table 2: every attribute under its group's mean. {"title", "columns", "sections"} a task."""
    columns, tables = first_and_last(found), []
    for task, title in tasks_in(found).items():
        attributes, heads = lines(columns, task, "attribute"), lines(columns, task, "attribute_group")
        if not attributes:
            continue
        sections = []
        for head in heads or [{"name": "", "cells": [None] * len(columns)}]:
            rows = [one for one in attributes if not heads or one["name"].split(" ")[-1] == head["name"]]
            sections.append({"head": head, "rows": rows})
        tables.append({"title": title, "columns": columns, "sections": sections})
    return tables


def part_tables(found: Comparison) -> list[dict]:
    """All other parts of tasks (splits, skills, question types), but not the long list of categories."""
    columns, tables = first_and_last(found), []
    for task, title in tasks_in(found).items():
        keys = dict.fromkeys(one["by"] for column in columns for one in groups_of(column["checkpoint"], task))
        for by in keys:
            rows = lines(columns, task, by)
            if by in ("attribute", "attribute_group", "wording", HELD_OUT) or len(rows) > 60:
                continue
            tables.append({"title": title, "by": by.replace("_", " ") or "part", "columns": columns, "rows": rows})
    return tables


def frow_table(found: Comparison) -> dict | None:
    """FROW's Table 1: a row a run and checkpoint, three numbers a data set. None without FROW."""
    tasks = {task: title for task, title in tasks_in(found).items() if task.startswith("frow/")}
    rows = []
    for index, result in enumerate(found.runs):
        for checkpoint in result.run.checkpoints:
            cells = []
            for task in tasks:
                score = checkpoint.tasks.get(task)
                by_metric = (
                    {s.get("metric"): s for s in score["scores"] if s["rule"] == score["primary"]} if score else {}
                )
                cells += [cell(by_metric.get(metric)) for metric in FROW_METRICS]
            if any(cells):
                judges = sorted({str(checkpoint.tasks[t]["primary"]) for t in tasks if t in checkpoint.tasks})
                rows.append(
                    {"index": index, "run": result.run, "checkpoint": checkpoint, "cells": cells, "judges": judges}
                )
    return {"tasks": tasks, "metrics": FROW_METRICS, "rows": rows} if rows else None


def strategy_table(found: Comparison) -> dict | None:
    """FROW's Table 2: a row a run where it ended, general tasks and then short answers. None for a single run."""
    if len(found.runs) < 2:
        return None
    titles = tasks_in(found)

    def some(group: str, *, short: bool) -> list[str]:
        return [
            task
            for task in titles
            if any(_is_in(one.run, task, group) for one in found.runs) and (not short or task.endswith("short_answer"))
        ]

    tasks = some("general", short=False) + some("fine_grained", short=True)
    rows = [
        {
            "index": index,
            "run": one.run,
            "cells": [cell(primary(one.run.last.tasks[t])) if t in one.run.last.tasks else None for t in tasks],
        }
        for index, one in enumerate(found.runs)
    ]
    return {"columns": [titles[task] for task in tasks], "rows": rows} if tasks else None


def _is_in(run: Run, task: str, group: str) -> bool:
    score = run.last.tasks.get(task)
    return score is not None and score["group"] == group and is_accuracy(score)
