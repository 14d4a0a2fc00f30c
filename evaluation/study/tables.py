"""The answer on the terminal: sentences first, then one table a measure; everything fits 80 columns."""

import sys

from rich.markup import escape
from rich.table import Table

from data_builders.shared.console import SafeConsole

from ..shared.measure_names import read_measure
from .answer import StudyAnswer
from .words import answer_words, checkpoint_words, ends, matched_words, measured_on_words, number, retained_words

WIDTH = 80


def print_answer(answer: StudyAnswer) -> None:
    """Print the answer; without a terminal (a log, a pipe) at 80 columns."""
    console = SafeConsole(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(answer.name or "Study", style="bold", markup=False)
    if answer.question:
        console.print(answer.question, markup=False)
    for sentence in answer_words(answer):
        console.print(sentence, markup=False)
    for facts in answer.measures:
        console.print(measure_table(answer, facts.name))
    for title, sentences in (
        ("retained", [text for one in answer.retained for text in retained_words(one)]),
        ("matched", [matched_words(one) for one in answer.matched]),
        ("not measured", answer.not_measured),
        ("note", answer.notes),
    ):
        for sentence in sentences:
            console.print(f"{title}: {sentence}", markup=False)


def measure_table(answer: StudyAnswer, measure: str) -> Table:
    facts = next(one for one in answer.measures if one.name == measure)
    table = Table(title=escape(f"{measured_on_words(facts)} ({facts.unit})"), title_justify="left")
    table.add_column("arm", overflow="fold", min_width=8)
    for column in ("mean", "95 % interval", "seeds", "hours"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("at", overflow="fold")
    for one in answer.ranked():
        mean = one.means[measure]
        hours = "-" if one.hours is None else f"{one.hours:,.2f}"
        cells = ["-", "not measured", "-"] if mean is None else [number(mean.value), ends(mean), str(mean.seeds)]
        if mean is not None and mean.stands:
            cells[1] += f", {mean.stands}"
        table.add_row(escape(one.arm), *cells, hours, escape(read_measure(measure).at or checkpoint_words(one)))
    return table
