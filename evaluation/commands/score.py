"""`score`: a predictions or a judge's file -> numbers; and our answers in FG-BMK's form, for its scripts."""

import argparse
from pathlib import Path

from rich.markup import escape

from data_builders.shared.errors import UserError
from data_builders.shared.files import write_json
from data_builders.shared.progress import busy
from data_builders.shared.terminal import say

from ..compare import print_scores
from ..compare.tables import shown, wide_console
from ..held_out import Sides, read_held_out, sides_of_tasks
from ..judging.judge_files import read_judged
from ..judging.taxonomy import read_taxonomy
from ..scoring.answer_formats import NAMED, export_fgbmk
from ..scoring.chance import standing
from ..scoring.foreign_answers import FORMS
from ..scoring.matching import MATHVISTA_RULES
from ..scoring.name_outcomes import with_names
from ..scoring.predictions import carries_scores, check_judged, load_questions, raw_rows, read_predictions
from ..scoring.score_answers import score_answers
from ..scoring.score_files import GroupScore, TaskScore
from ..scoring.score_judged import score_judged
from ..tasks.task import Task
from ..tasks.task_files import task_without_items
from ..tasks.taxonomies import has_names
from .endpoint_options import add_endpoint_options, client_of

ENDS = 8  # rows shown of each end of a long table


def add_options(score: argparse.ArgumentParser) -> None:
    score.add_argument("task", help="full name, for example fgbmk/cub/species/choice")
    score.add_argument("--predictions", type=Path, required=True)
    score.add_argument("--questions", type=Path, help="the question file; then missing and foreign rows are found")
    score.add_argument(
        "--from",
        dest="form",
        choices=("auto", *NAMED, *FORMS),
        default="auto",
        help="who has written the predictions (default: found out). JSON lines, a JSON list or mapping, .csv, .tsv or "
        ".xlsx, packed by gzip or not; ids and answers alone need --questions",
    )
    score.add_argument("--taxonomy", help="of the names: csv file category,level,...[,aliases], or SOURCE=FOLDER")
    score.add_argument("--out", type=Path, help="write the score as JSON")
    score.add_argument("--export", type=Path, help="write the answers as FG-BMK's prediction file, for its scripts")
    score.add_argument(
        "--held-out",
        type=Path,
        metavar="FILE",
        help="also score categories that training neither showed nor named apart: their names, one a line, or the "
        "training set whose manifest has them; needs --questions",
    )
    extraction = score.add_argument_group("extraction (MathVista)", "what a model reads out of replies")
    extraction.add_argument("--extract-with", metavar="MODEL", help="of an OpenAI-compatible endpoint")
    add_endpoint_options(extraction)
    score.set_defaults(do=command_score)


def command_score(arguments: argparse.Namespace) -> None:
    name, path = arguments.task, arguments.predictions
    task = load_questions(name, arguments.questions) if arguments.questions else task_without_items(name)
    sides = sides_for(task, arguments)
    if is_a_judges_file(task, path):
        for option in ("export", "taxonomy"):
            if getattr(arguments, option):
                raise UserError(f"{path} is a judge's file, which tells no answers; --{option} is for answers")
        rows = read_judged(path)
        score = score_judged(task, path, rows, check_judged(task, rows, path), sides)
    else:
        with busy(f"scoring {path}"):
            score = score_file(task, path, arguments, sides)
    print_scores([score])
    print_groups(score)
    if arguments.out:
        write_json(arguments.out, score.to_json())


def sides_for(task: Task, arguments: argparse.Namespace) -> Sides | None:
    """UserError: nothing that this task asks about is held out, or its questions are not given."""
    if arguments.held_out is None:
        return None
    if not task.items:
        raise UserError("--held-out needs the question file, which tells the pictures' categories: --questions FILE")
    sides = sides_of_tasks([task], read_held_out(arguments.held_out)).get(task.name)
    if sides is None:
        raise UserError(f"--held-out {arguments.held_out}: no picture of {arguments.questions} is of such a category")
    return sides


def print_groups(score: TaskScore) -> None:
    """The score by split, attribute, skill or category; of a long list its ends."""
    from rich.table import Table

    console = wide_console()
    for by in dict.fromkeys(group.by for group in score.groups):
        rows = [group for group in score.groups if group.by == by]
        table = Table(title=f"{score.task} by {by.replace('_', ' ')}, rule {score.primary}")
        table.add_column(by, overflow="fold")
        table.add_column("metric")
        table.add_column("value")
        table.add_column("n", justify="right")
        guessed = any(group.chance is not None for group in rows)
        if guessed:
            table.add_column("chance")
        hidden = len(rows) - 2 * ENDS if len(rows) > 4 * ENDS else 0
        for place, group in enumerate(rows):
            if hidden and place == ENDS:
                table.add_row(f"... {hidden} more, all in --out FILE")
            if not hidden or place < ENDS or place >= len(rows) - ENDS:
                cells = [escape(printable(group.name)), group.metric, shown(group), f"{group.n:,}"]
                table.add_row(*cells, *([_beside_chance(group)] if guessed else []))
        console.print(table)


def _beside_chance(group: GroupScore) -> str:
    if group.chance is None:
        return ""
    stands = standing(group.low, group.high, group.chance)
    return f"{group.chance:.1f}" + (f", {stands}" if stands else "")


def printable(name: str) -> str:
    """A name from a file, without what would steer a terminal."""
    return name if name.isprintable() else ascii(name)


def is_a_judges_file(task: Task, path: Path) -> bool:
    """Only open tasks have such files, and theirs are short; of another file one row is enough for the message."""
    rows = raw_rows(path)
    return carries_scores(rows if task.kind == "open" else [next(rows)])


def score_file(task: Task, path: Path, arguments: argparse.Namespace, sides: Sides | None = None) -> TaskScore:
    answers, notes = read_predictions(task, path, arguments.form)
    if arguments.export:
        if task.is_text:
            raise UserError(f"task {task.name} has no answers that FG-BMK's form could hold")
        count = export_fgbmk(answers, arguments.export)
        say(f"{count:,} answers in FG-BMK's form in {arguments.export}")
    given = read_taxonomy(arguments.taxonomy) if arguments.taxonomy else None
    if has_names(task) or given is not None:
        answers = list(answers)
        return with_names(score_answers(task, answers, notes=notes), task, answers, given)[0]
    if not arguments.extract_with:
        return score_answers(task, answers, notes=notes, sides=sides)
    if not MATHVISTA_RULES & set(task.rules):
        raise UserError(f"--extract-with is for tasks whose rule extracts (mathvista), not {task.name}")
    from ..scoring.extraction import ModelExtractor, with_extractions

    extractor = ModelExtractor(client_of(arguments.extract_with, arguments))
    rows = list(with_extractions(task, answers, extractor))
    return score_answers(task, rows, notes=[*notes, *extractor.notes], sides=sides)
