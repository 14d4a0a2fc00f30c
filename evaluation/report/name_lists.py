"""The whole list of names by likelihood: top-1 and top-5, calibration, and risk against coverage, side by side."""

from typing import Any

from ..compare import Comparison
from ..ledger import Checkpoint
from .curves import sizes
from .figures import Line, Point
from .papers import cell, first_and_last, tasks_in
from .text import num

RULES = {"names": "as they are", "names_prior": "without the prior"}
METRICS = {
    "top1": "top-1",
    "top5": "top-5",
    "mrr": "mean reciprocal rank",
    "ece": "calibration error",
    "aurc": "area under risk",
    "list_probability": "probability of the list",
}


def name_lists(found: Comparison) -> dict[str, Any] | None:
    """{"metrics", "tasks": [{"title", "chance", "rows", "figures"}]}; None without such tasks. A row a run, checkpoint
    and rule with a cell each metric."""
    columns, tasks = first_and_last(found), []
    for task, title in tasks_in(found).items():
        if not task.startswith("names/"):
            continue
        asked = [one for one in columns if task in one["checkpoint"].tasks]
        rows = [
            {**one, "rule": said, "cells": [cell(_score(one["checkpoint"], task, rule, m)) for m in METRICS]}
            for one in asked
            for rule, said in RULES.items()
        ]
        chance = next((one["checkpoint"].tasks[task].get("chance") for one in asked), None)
        tasks.append({"title": title, "chance": chance, "rows": rows, "figures": _figures(asked, task, title)})
    return {"metrics": list(METRICS.values()), "tasks": tasks} if tasks else None


def _score(checkpoint: Checkpoint, task: str, rule: str, metric: str) -> dict | None:
    scores = checkpoint.tasks[task]["scores"]
    return next((one for one in scores if (one["rule"], one["metric"]) == (rule, metric)), None)


def _figures(columns: list[dict], task: str, title: str) -> list[dict]:
    """Reliability and risk of the names as they are; where a run began thin, where it ended strong."""
    reliability, marks, risk = [Line(0, [(0, 0), (100, 100)], "chance", "calibrated: as often right as sure")], [], []
    for column in columns:
        last = not column["first"] or len(column["run"].checkpoints) == 1
        kind, who = "mean" if last else "task", f"{column['run'].name}, {column['checkpoint'].name}"
        curves = (column["checkpoint"].tasks[task].get("name_lists") or {}).get("names")
        if not curves:
            continue
        bins = [(100 * sure, 100 * right, count) for sure, right, count in curves["reliability"]]
        reliability.append(Line(column["index"], [(sure, right) for sure, right, _ in bins], kind, who))
        marks += [
            Point(
                column["index"],
                sure,
                right,
                f"{who}: {num(right)} % right of {count:.0f} when {num(sure)} % sure",
                last,
            )
            for sure, right, count in bins
        ]
        covered = [(100 * coverage, 100 * wrong) for coverage, wrong in curves["risk"]]
        risk.append(Line(column["index"], covered, kind, who))
    area = {"x_range": (0, 100), "y_range": (0, 100)}
    of = {"wide": (600, 300), "narrow": (364, 260)}
    return [
        sizes(
            of, f"{title}: right against sure, %", **area, lines=_drawn(reliability), points=marks, x_label="sure, %"
        ),
        sizes(
            of, f"{title}: wrong among the covered, %", **area, lines=_drawn(risk), x_label="surest pictures covered, %"
        ),
    ]


def _drawn(lines: list[Line]) -> list[Line]:
    return [line for line in lines if len(line.xy) > 1]
