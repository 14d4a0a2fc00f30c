"""The whole plan as a file for people, and the few lines of it that a log is told."""

from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from data_builders.shared.console import SafeConsole
from data_builders.shared.files import atomic_write

from .layout import duration, gib, number
from .schema import Plan

PLAN_TEXT = "plan.txt"
WIDTH = 100  # columns of the file
NOTES = 3


def write_plan_text(folder: Path, show: Callable[[Console], None]) -> Path:
    """What `show` prints of a plan, as text in the folder of a run or a study. Returns where."""
    path = folder / PLAN_TEXT
    with atomic_write(path) as file:
        show(SafeConsole(file=file, width=WIDTH, color_system=None, force_terminal=False))
    return path


def prepared_lines(plan: Plan) -> Iterator[str]:
    """What is known once rows and questions are counted: the amount, the time, what it needs."""
    devices = max((stage.batch.devices for stage in plan.stages if stage.batch is not None), default=1)
    if plan.stages:
        yield f"counted: {number(plan.samples)} samples, {number(plan.tokens)} tokens, {number(plan.steps)} steps"
    spent = plan.device_hours
    parts = {"training": spent.training, "encoding": spent.encoding, "evaluation": spent.evaluation}
    of = ", ".join(f"{what} {_time(value, devices)}" for what, value in parts.items() if value)
    yield f"takes about {_time(spent.all, devices)}{f' ({of})' if of else ''} by an estimate"
    memory = [stage.memory_bytes for stage in plan.stages if stage.memory_bytes is not None]
    needs = [f"{gib(max(memory))} of memory a device"] if memory else []
    yield f"needs {', '.join([*needs, f'{gib(plan.disk.most)} of disk at most'])}"
    for note in plan.notes[:NOTES]:
        yield f"- {note}"
    if len(plan.notes) > NOTES:
        yield f"- and {len(plan.notes) - NOTES} more notes in {PLAN_TEXT}"


def _time(hours: float | None, devices: int) -> str:
    return duration(None if hours is None else hours * 3600 / devices)
