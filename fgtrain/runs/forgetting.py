"""What was forgotten and what was gained so far, from the evaluation rows of a run."""

import math
from collections.abc import Iterable, Iterator
from itertools import groupby

from evaluation.shared.sweeps import beside

FINE_GRAINED, GENERAL = "fine_grained", "general"  # a task's group
NO_GENERAL = "not measured: no general task was asked"
NO_FINE_GRAINED = "not measured: no fine-grained task was asked"
NOTHING_THERE = "nothing there to forget: no general task was clear of chance, or of 0"


def with_forgetting(rows: Iterable[dict]) -> Iterator[dict]:
    """The rows of metrics.jsonl, and behind the evaluations of each moment one row of kind "forgetting"."""
    seen: list[dict] = []
    for moment, group in groupby(rows, key=_moment):
        found = list(group)
        yield from found
        if moment is not None:
            seen += found
            yield from forgetting(seen, found)


def forgetting(seen: list[dict], now: list[dict]) -> Iterator[dict]:
    """At most one row: how the tasks of `now` (one moment) stand to `seen` (that moment and all before, in order).

    `forgetting`: mean of the best so far minus now over the general tasks that had something to forget: once clear of
    their chance level, or of 0. `fine_grained_gain`: mean over fine-grained tasks of now minus first; `general`,
    `fine_grained`: the means themselves. Percent points of each task's primary score; perplexities are left out.
    `unmeasured`: figure -> why it has no number. Full evaluations and subsets are never mixed.
    """
    current = {row["task"]: row["value"] for row in now if _counts(row)}
    if not current:
        return
    before: dict[str, list[float]] = {}
    had: set[str] = set()
    for row in seen:
        if beside(row["stage"], now[0]["stage"]):  # another share of the same merge, which does not come before
            continue
        if _counts(row) and row["subset"] == now[0]["subset"]:
            before.setdefault(row["task"], []).append(row["value"])
            if _beyond(row):
                had.add(row["task"])
    groups = {row["task"]: row["group"] for row in now}
    general = [task for task in current if groups[task] == GENERAL]
    fine = [task for task in current if groups[task] == FINE_GRAINED]
    figures = {
        "forgetting": _mean(max(before[task]) - current[task] for task in general if task in had),
        "fine_grained_gain": _mean(current[task] - before[task][0] for task in fine),
        "general": _mean(current[task] for task in general),
        "fine_grained": _mean(current[task] for task in fine),
    }
    why = {"forgetting": NOTHING_THERE if general else NO_GENERAL, "fine_grained_gain": NO_FINE_GRAINED}
    place = {key: now[0][key] for key in ("stage", "step", "samples_seen", "subset")}
    known = {name: value for name, value in figures.items() if value is not None}
    unmeasured = {name: text for name, text in why.items() if name not in known}
    yield {"kind": "forgetting", **place, **known, **({"unmeasured": unmeasured} if unmeasured else {})}


def _moment(row: dict) -> tuple | None:
    # A stage that merges sees no samples: its checkpoint is another moment all the same.
    return (row["subset"], row["samples_seen"], row["stage"]) if row["kind"] == "eval" else None


def _counts(row: dict) -> bool:
    """Is it a task's own number, in percent, and known?"""
    value = row["value"]
    return bool(row.get("primary")) and row.get("unit") == "percent" and value is not None and math.isfinite(value)


def _beyond(row: dict) -> bool:
    low = row.get("low")
    return low is not None and math.isfinite(low) and low > (row.get("chance") or 0.0)


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return sum(values) / len(values) if values else None
