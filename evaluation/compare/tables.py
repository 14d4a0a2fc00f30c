"""The tables that the command lines print: one score, and runs beside each other."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data_builders.shared.console import SafeConsole

from ..ledger import Change, Estimate, Run, beyond, known, primary, stands
from ..published.beside import Beside, beside, not_shown, of_runs
from ..scoring.chance import standing
from ..scoring.score_files import Score, TaskScore
from ..tasks.task import CONDITION
from .drift import StageDrift, correlation_words, correlations, drift_of_run
from .perturbed import perturbed_table
from .results import Comparison, RunResult


def wide_console(width: int = 150) -> Console:
    """Where there is no terminal (a log, a pipe) lines are wide enough that task names stay whole."""
    return SafeConsole(highlight=False, width=None if sys.stdout.isatty() else width)


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
        differing = [f"the rules differ on {score.disagreements} of {score.n} questions"] if score.differences else []
        for note in [*differing, *score.notes, *chance_words(score)]:
            console.print(f"{score.task}: {note}", markup=False)


def chance_words(score: TaskScore) -> list[str]:
    """The task's chance level, and whether its number is beyond it."""
    if score.chance is None:
        return []
    stands = standing(score.main.low, score.main.high, score.chance) or "beyond it"
    return [f"chance is {score.chance:.1f}: the score is {stands}"]


def value_text(score: dict | None) -> str:
    """A TaskScore's number as scores.json has it, with its interval and n."""
    if score is None:
        return "-"
    one = primary(score)
    if not known(one["value"]):
        return "undefined"
    digits = 2 if one.get("unit") == "perplexity" else 1
    ends = [one.get("low"), one.get("high")]
    interval = f" [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]" if all(map(known, ends)) else ""
    guessed = "" if beyond(score) or not known(score.get("chance")) else f" {stands(score)}"
    return f"{one['value']:.{digits}f}{interval} n={one.get('n') or 0:,}{guessed}"


def change_text(one: Change | None) -> tuple[str, str]:
    """(change with its interval, adjusted p)."""
    if one is None:
        return "-", "-"
    interval = f" [{one.low:+.1f}, {one.high:+.1f}]" if one.low is not None else ""
    return f"{one.value:+.1f}{interval}", "-" if one.p_holm is None else f"{one.p_holm:.2g}"


def split_text(one: Change | None) -> str:
    if one is None or one.split is None or not one.split.moved:
        return "-"
    return f"{one.split.form.value:+.1f} / {one.split.knowledge.value:+.1f}"


def run_table(result: RunResult) -> Table:
    """One run: every task at each checkpoint, then the change from base and stage before to the last one."""
    run = result.run
    table = Table(title=f"{escape(run.name)}: {escape(' -> '.join(one.name for one in run.checkpoints))}")
    table.add_column("task", overflow="fold", min_width=24)
    for one in run.checkpoints:
        table.add_column(escape(one.name), justify="right")
    several = len(run.checkpoints) > 1
    if several:
        table.add_column(f"change from {escape(run.checkpoints[0].name)}", justify="right")
        table.add_column("p (McNemar, Holm)", justify="right")
        if len(run.checkpoints) > 2:
            table.add_column(f"from {escape(run.checkpoints[-2].name)}", justify="right")
            table.add_column("p", justify="right")
        table.add_column("of it format / knowledge", justify="right")
    for task in sorted({task for one in run.checkpoints for task in one.tasks if CONDITION not in task}):
        cells = [value_text(one.tasks.get(task)) for one in run.checkpoints]
        found = result.tasks.get(task)
        if several and found:
            cells += change_text(found.from_base[-1])
            cells += change_text(found.from_before[-1]) if len(run.checkpoints) > 2 else ()
            cells.append(split_text(found.from_before[-1]))
        table.add_row(escape(task), *cells)
    return table


def between_table(first: Run, other: Run, changes: Sequence[Change]) -> Table:
    """The last checkpoints of two runs, question by question."""
    names = [f"{run.name} ({run.last.name})" for run in (other, first)]
    table = Table(title=escape(f"{names[0]} minus {names[1]}"))
    table.add_column("task", overflow="fold", min_width=24)
    for column in (escape(first.name), escape(other.name), "difference", "p (McNemar, Holm)"):
        table.add_column(column, justify="right")
    for one in changes:
        values = [value_text(run.last.tasks.get(one.task)) for run in (first, other)]
        table.add_row(escape(one.task), *values, *change_text(one))
    return table


def published_table(one: Beside) -> Table:
    """What was measured beside what a paper published, on as many questions and under a rule that stands for its."""
    table = Table(
        title=escape(f"{one.paper.source}, {one.table.table}: {one.table.title}"),
        caption=escape(f"published rule: {one.table.rule}; here: {one.table.ours.said}; prompt: {one.table.prompt}"),
    )
    table.add_column("", overflow="fold", min_width=24)
    for who, _ in one.measured:
        table.add_column(escape(who.label), justify="right")
    for name, _ in one.published:
        table.add_column(escape(f"published: {name}"), justify="right", style="dim")
    for place, column in enumerate(one.columns):
        ours = [f"{cells[place]['value']:.1f}" if cells[place] else "-" for _, cells in one.measured]
        theirs = ["-" if values[place] is None else f"{values[place]:.2f}" for _, values in one.published]
        table.add_row(escape(column), *ours, *theirs)
    return table


def mean_text(one: Estimate | None) -> str:
    return "-" if one is None else f"{one.value:.1f} [{one.low:.1f}, {one.high:.1f}] n={one.n:,}"


def estimate_text(one: Estimate) -> str:
    return f"{one.value:+.1f} points [{one.low:+.1f}, {one.high:+.1f}], mean of {one.tasks} tasks, n = {one.n:,}"


def drift_table(runs: Sequence[Run], drift: Sequence[Sequence[StageDrift]]) -> Table:
    """A row a run and stage."""
    table = Table(title="How far each stage moved the answers, and what was forgotten since it began")
    for column in ("run", "stage", "KL, nats", "words, 0-1", "forgotten, points"):
        table.add_column(column, overflow="fold")
    for run, stages in zip(runs, drift, strict=True):
        for one in stages:
            numbers = [(one.kl, ".4f"), (one.words, ".3f"), (one.forgotten, "+.1f")]
            cells = ["not measured" if value is None else format(value, form) for value, form in numbers]
            table.add_row(escape(run.name), escape(one.stage), *cells)
    return table


def print_comparison(found: Comparison) -> None:
    """Each run by itself, then every other run against the first."""
    console = wide_console(200)
    for result in found.runs:
        console.print(run_table(result))
        if (perturbed := perturbed_table(result.run)) is not None:
            console.print(perturbed)
        name = result.run.name
        if result.forgetting and result.forgetting[-1]:
            text = estimate_text(result.forgetting[-1]).lstrip("+")
            console.print(f"{name}: forgetting {text} (general tasks, best so far minus now)", markup=False)
            if result.left_out:
                console.print(f"{name}: nothing there to forget in {result.left_out}", markup=False)
        for part, means in result.parts.items():
            text = " -> ".join(mean_text(one) for one in means)
            console.print(f"{name}: fine-grained, {part}: {text}", markup=False)
        if result.gain and result.gain[-1]:
            console.print(f"{name}: gain {estimate_text(result.gain[-1])} (fine-grained tasks)", markup=False)
        for measure, why in result.unmeasured.items():
            console.print(f"{name}: {measure}: {why}", markup=False)
        if result.missing:
            missing = ", ".join(result.missing)
            console.print(f"{name}: no answers that give the score, so no paired test: {missing}", markup=False)
    drift = [drift_of_run(one.run) for one in found.runs]
    if any(drift):
        console.print(drift_table([one.run for one in found.runs], drift))
    for one in correlations(drift):
        console.print(correlation_words(one), markup=False)
    for one in found.between:
        console.print(between_table(found.runs[one.first].run, found.runs[one.other].run, one.changes))
    published = beside(of_runs([one.run for one in found.runs]))
    for one in published:
        if one.columns:
            console.print(published_table(one))
    if others := not_shown(published):
        console.print(
            f"{len(others)} published numbers are not shown: they are of other questions; the page lists them"
        )
