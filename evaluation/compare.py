"""The tables that the command lines print: one score, and runs beside each other."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from .ledger import RunHistory, changes, checkpoint_items, forgetting, gain, mean
from .ledger import change as changed
from .scores import Score, TaskScore
from .statistics import holm


def wide_console() -> Console:
    """Where there is no terminal (a log, a pipe) lines are wide enough that task names stay whole."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 150)


def shown(score: Score) -> str:
    """A value with its interval, as in `61.2 [55.0, 67.1]`; "undefined" where it has none."""
    if score.value is None:
        return "undefined"
    interval = f" [{score.low:.1f}, {score.high:.1f}]" if score.low is not None and score.high is not None else ""
    return f"{score.value:.2f}{interval}"


def score_table(scores: Sequence[TaskScore]) -> Table:
    table = Table(title="Scores with 95 % intervals over images")
    for column in ("task", "rule", "metric", "value"):
        table.add_column(column, overflow="fold")
    table.add_column("n", justify="right")
    for score in scores:
        for one in score.scores:
            table.add_row(score.task, one.rule, one.metric, shown(one), f"{one.n:,}")
    return table


def print_scores(scores: Sequence[TaskScore]) -> None:
    """The table, then what must be said beside each number."""
    console = wide_console()
    console.print(score_table(scores))
    for score in scores:
        differing = [f"the rules differ on {score.disagreements} of {score.n} questions"] if score.disagreements else []
        for note in [*differing, *score.notes]:
            console.print(f"{score.task}: {note}", markup=False)


def run_table(run: RunHistory) -> Table:
    """One run: every common task at each checkpoint, the change from first to last with its interval and p."""
    table = Table(title=f"{run.name}: {' -> '.join(run.checkpoints)}")
    table.add_column("task", overflow="fold")
    for name in run.checkpoints:
        table.add_column(name, justify="right")
    single = len(run.checkpoints) == 1
    found = {} if single else {one.task: one for one in changes(run)}
    adjusted = dict(zip(found, holm([one.p for one in found.values()]), strict=True)) if found else {}
    if not single:
        for column in ("change", "p (McNemar, Holm)", "n"):
            table.add_column(column, justify="right")
    for task in sorted({task for scores in run.tasks for task in scores}):
        cells = [shown(scores[task].main) if task in scores else "-" for scores in run.tasks]
        if one := found.get(task):
            difference = f"{one.after - one.before:+.1f} [{one.low:+.1f}, {one.high:+.1f}]"
            cells += [difference, f"{adjusted[task]:.2g}", f"{one.n:,}"]
        table.add_row(task, *cells)
    return table


def between_table(first: RunHistory, other: RunHistory) -> Table | None:
    """The last checkpoints of two runs, question by question; None when they share no answered task."""
    rows = []
    for task in first.common():
        if task in other.tasks[-1]:
            sides = [checkpoint_items(run.folder, run.checkpoints[-1], task) for run in (first, other)]
            if (one := changed(task, *sides)) is not None:
                rows.append(one)
    if not rows:
        return None
    table = Table(title=f"{other.name} ({other.checkpoints[-1]}) minus {first.name} ({first.checkpoints[-1]})")
    table.add_column("task", overflow="fold")
    for column in (first.name, other.name, "difference", "p (McNemar, Holm)", "n"):
        table.add_column(column, justify="right")
    for one, p in zip(rows, holm([row.p for row in rows]), strict=True):
        difference = f"{one.after - one.before:+.1f} [{one.low:+.1f}, {one.high:+.1f}]"
        table.add_row(one.task, f"{one.before:.1f}", f"{one.after:.1f}", difference, f"{p:.2g}", f"{one.n:,}")
    return table


def print_comparison(runs: Sequence[RunHistory]) -> None:
    """Each run by itself, then every other run against the first."""
    console = wide_console()
    for run in runs:
        console.print(run_table(run))
        lost, won = mean(forgetting(run)), mean(gain(run))
        if lost is not None and len(run.checkpoints) > 1:
            n = len(run.common("general"))
            console.print(
                f"{run.name}: forgetting {lost:.1f} points (best so far minus now, mean of {n} general tasks)"
            )
        if won is not None and len(run.checkpoints) > 1:
            n = len(run.common("fine_grained"))
            console.print(f"{run.name}: gain {won:+.1f} points (mean of {n} fine-grained tasks)")
    for other in runs[1:]:
        if (table := between_table(runs[0], other)) is not None:
            console.print(table)
