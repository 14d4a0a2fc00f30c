"""Perturbed tasks beside the plain ones, as runs' scores.json have them."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from ..ledger import Run, known, stands
from ..perturbing import DROP
from ..tasks.task import CONDITION


def conditions_of(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Plain task -> its perturbed tasks, that any checkpoint of the runs has a score of, in the order asked."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(task for run in runs for one in run.checkpoints for task in one.tasks):
        plain, _, condition = name.partition(CONDITION)
        if condition:
            found.setdefault(plain, []).append(name)
    return found


def drop_in(task_score: dict) -> dict | None:
    """The plain score minus this one, in points, with its interval; None where the plain task was not asked."""
    found = next((one for one in task_score["scores"] if one["rule"] == DROP), None)
    return found if found is not None and known(found.get("value")) else None


def drop_text(task_score: dict | None) -> str:
    """As in `-12.5 [-20.0, -4.8] at chance`: what the score loses."""
    if task_score is None or (drop := drop_in(task_score)) is None:
        return "-"
    interval = f" [{-drop['high']:+.1f}, {-drop['low']:+.1f}]" if known(drop.get("low")) else ""
    guessed = f" {stands(task_score)}" if known(task_score.get("chance")) else ""
    return f"{-drop['value']:+.1f}{interval}{guessed}".rstrip()


def perturbed_table(run: Run) -> Table | None:
    """What each perturbation costs the run at each checkpoint; None where nothing was perturbed."""
    found = conditions_of([run])
    if not found:
        return None
    table = Table(title=f"{escape(run.name)}: perturbed minus plain, the same questions, images resampled")
    table.add_column("task, perturbation", overflow="fold", min_width=24)
    for one in run.checkpoints:
        table.add_column(escape(one.name), justify="right")
    for names in found.values():
        for name in names:
            table.add_row(escape(name), *(drop_text(one.tasks.get(name)) for one in run.checkpoints))
    return table
