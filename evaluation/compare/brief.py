"""What a run came to on a dozen lines of 80 columns: every task before and now, gained and forgotten with intervals."""

from collections.abc import Iterable

from ..ledger import (
    GROUPS,
    Change,
    Checkpoint,
    Estimate,
    ItemStore,
    Run,
    best_checkpoint,
    group_mean,
    is_accuracy,
    known,
    mean_change,
    primary,
    shared_tasks,
    stands,
)
from .results import Comparison, RunResult

WIDTH = 80
TASKS = 16  # that have a line each; of more, those that changed most
NAME = 12  # columns that a checkpoint's name may take
BEST = "best"  # the column of each task's best, where there are checkpoints between
LEVEL = "~ no clearer than chance, or than 0"


def brief_lines(found: Comparison) -> list[str]:
    """The table of each run of a comparison, with a heading and what it comes to in words."""
    return [line for one in found.runs for line in _of_run(found.store, one)]


def _of_run(store: ItemStore, result: RunResult) -> list[str]:
    run = result.run
    first, last = run.checkpoints[0], run.last
    several = first is not last
    rows = [row for group in GROUPS for row in _group_rows(store, result, group)]
    points = [first, last] if several else [last]
    heads = [_cut(one.name, NAME) for one in points]
    if len(run.checkpoints) > 2:
        heads.insert(1, BEST)
    lines = [f"Scores of {run.name}, in points; in brackets 95 % intervals over images", ""]
    if rows:
        lines += _table([*heads, "change" if several else "interval"], rows)
        if any("~" in cell for _, cells in rows for cell in cells):
            lines.append(LEVEL)
    lines += ["", *_sums(result, first.name)] if several else [""]
    for task in run.last.tasks:
        if not is_accuracy(run.last.tasks[task]):
            lines.append(f"{_title(run, task)}: {_beside(points, task)}")
    return [line.rstrip() for line in lines]


def _group_rows(store: ItemStore, result: RunResult, group: str) -> list[tuple[str, list[str]]]:
    """(label, cells) of the group's mean, then of its tasks."""
    run, mine = result.run, [one for one in result.tasks.values() if one.group == group]
    if not mine:
        return []
    first, last = run.checkpoints[0], run.last
    several, tasks = first is not last, shared_tasks(run, group)
    points = [first, last] if several else [last]
    rows: list[tuple[str, list[str]]] = [(GROUPS[group].lower(), [])]
    if len(tasks) > 1:
        means = [f"{mean.value:.1f} " for one in points if (mean := group_mean(store, run, one, group))]
        if len(run.checkpoints) > 2:
            bests = [primary(best_checkpoint(run, task).tasks[task])["value"] for task in tasks]
            means.insert(1, f"{sum(bests) / len(bests):.1f} ")
        if several:
            ends = _signed(mean_change(store, run, first, last, tasks))
        else:
            ends = _ends(group_mean(store, run, last, group))
        rows = [(f"{GROUPS[group].lower()}, mean of {len(tasks)} tasks", [*means, ends])]
    shown = sorted(mine, key=lambda one: -_size(one.from_base[-1] if several else None))[: TASKS // len(GROUPS)]
    for one in mine:
        if one in shown:
            cells = [_value(point.tasks.get(one.task)) for point in points]
            if len(run.checkpoints) > 2:
                scores = [point.tasks[one.task] for point in run.checkpoints if one.task in point.tasks]
                cells.insert(1, max(map(_value, scores), key=_number))
            change = one.from_base[-1] if several else None
            rows.append((f"  {one.task}", [*cells, _signed(change) if several else _ends_of(last.tasks.get(one.task))]))
    if len(mine) > len(shown):
        rows.append((f"  and {len(mine) - len(shown)} more{', which changed less' if several else ''}", []))
    return rows


def _sums(result: RunResult, first: str) -> Iterable[str]:
    gain, lost = result.gain[-1], result.forgetting[-1]
    if gain is not None:
        yield f"gained     {_points(gain)} fine-grained points since {first}{_doubt(gain)}"
    elif "fine_grained_gain" in result.unmeasured or "gain" in result.unmeasured:
        yield f"gained     not measured: {result.unmeasured.get('gain') or result.unmeasured.get('fine_grained_gain')}"
    if lost is not None:
        yield f"forgotten  {_points(lost)} general points, each task's best so far minus now{_doubt(lost)}"
        if result.left_out:
            yield f"           nothing was there to forget in {result.left_out}"
    elif "forgetting" in result.unmeasured:
        yield f"forgotten  not measured: {result.unmeasured['forgetting']}"


def _table(heads: list[str], rows: list[tuple[str, list[str]]]) -> list[str]:
    """Numbers to the right, names cut in their beginning where there is no room: nothing is wider than WIDTH."""
    widths = [max(len(head), *(len(cells[place]) for _, cells in rows if cells)) for place, head in enumerate(heads)]
    room = WIDTH - sum(2 + width for width in widths)
    label = min(room, max(len(name) for name, _ in rows))
    lines = [" " * label + "".join(f"  {head:>{width}}" for head, width in zip(heads, widths, strict=True))]
    for name, cells in rows:
        text = name if len(name) <= label else f"  …{name[3 - label :]}"
        lines.append(
            f"{text:<{label}}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=False))
        )
    return lines


def _value(score: dict | None) -> str:
    """'61.2 ', '25.0~' where it is no clearer than chance: the mark has a column of its own."""
    if score is None or not known(primary(score)["value"]):
        return "- "
    return f"{primary(score)['value']:.1f}{'~' if stands(score) else ' '}"


def _number(cell: str) -> float:
    """Of a cell of `_value`."""
    return -1.0 if cell == "- " else float(cell[:-1])


def _signed(one: Estimate | Change | None) -> str:
    if one is None:
        return "-"
    ends = f" ({one.low:+.1f} to {one.high:+.1f})" if known(one.low) and known(one.high) else ""
    return f"{_plus(one.value)}{ends}"


def _plus(value: float) -> str:
    """Never a sign before zero."""
    return f"{value:+.1f}" if f"{abs(value):.1f}" != "0.0" else "0.0"


def _ends(one: Estimate | None) -> str:
    return "-" if one is None else f"({one.low:.1f} to {one.high:.1f})"


def _ends_of(score: dict | None) -> str:
    head = primary(score) if score is not None else {}
    return f"({head['low']:.1f} to {head['high']:.1f})" if known(head.get("low")) and known(head.get("high")) else "-"


def _points(one: Estimate) -> str:
    return f"{one.value:.1f} ({one.low:.1f} to {one.high:.1f})"


def _doubt(one: Estimate) -> str:
    return "" if one.clear else ": not clear of 0"


def _size(change: Change | None) -> float:
    return abs(change.value) if change is not None else 0.0


def _title(run: Run, task: str) -> str:
    return str(run.task_score(task)["title"])


def _beside(points: list[Checkpoint], task: str) -> str:
    values = [primary(one.tasks[task])["value"] if task in one.tasks else None for one in points]
    return " -> ".join(f"{value:.2f}" if known(value) else "-" for value in values)


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"
