"""`python -m evaluation published`: the papers' numbers, with where they stand and under which conditions."""

import argparse
import json
from fnmatch import fnmatchcase

from rich.markup import escape
from rich.table import Table

from data_builders.shared.errors import UserError
from data_builders.shared.terminal import say

from ..compare.tables import wide_console
from ..published.paper_files import Paper, PublishedTable, papers


def add_options(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "task",
        nargs="?",
        default="",
        metavar="TASK",
        help="a task's name, the beginning of one, or a glob; default all",
    )
    one.add_argument("--json", action="store_true", help="as JSON")
    one.set_defaults(do=command_published)


def command_published(arguments: argparse.Namespace) -> None:
    found = [
        (paper, table, chosen)
        for paper in papers()
        for table in paper.tables
        if (chosen := _columns(table, arguments.task))
    ]
    if not found:
        tasks = dict.fromkeys(t.task_of(c) for p in papers() for t in p.tables if t.ours for c in t.columns)
        raise UserError(f"no published number for task {arguments.task!r}; there are some for {', '.join(tasks)}")
    if arguments.json:
        say(json.dumps([_row(*one) for one in found], indent=1, ensure_ascii=False))
        return
    console = wide_console(160)
    for paper, table, chosen in found:
        console.print(printed(paper, table, chosen))
    for paper in papers() if not arguments.task else ():
        for finding in paper.findings:
            console.print(f"{paper.source}: {finding}", markup=False)


def _columns(table: PublishedTable, task: str) -> list[str]:
    """The columns that belong to a task; all for "", and those that nothing here measures only then."""
    if not task:
        return table.columns
    return [column for column in table.columns if table.ours and _means(task, table.task_of(column))]


def _means(wanted: str, task: str) -> bool:
    return task == wanted or task.startswith(f"{wanted.rstrip('/')}/") or fnmatchcase(task, wanted)


def _row(paper: Paper, table: PublishedTable, chosen: list[str]) -> dict:
    rows = {name: {column: row[column] for column in chosen if column in row} for name, row in table.rows.items()}
    about = paper.model_dump(include={"source", "paper", "where"})
    return {**about, **table.model_dump(exclude={"rows"}), "rows": {name: row for name, row in rows.items() if row}}


def printed(paper: Paper, table: PublishedTable, chosen: list[str]) -> Table:
    """One published table: what was asked down, models and settings across."""
    title = f"{paper.source}, {table.table}: {table.title}{' (rounded)' if table.rounded else ''}"
    caption = [f"rule: {table.rule}", f"split: {table.split}", f"prompt: {table.prompt}", f"decoding: {table.decoding}"]
    if table.ours:
        caption.append(f"here: {'the same rule' if table.ours.same else 'comparable'}, {table.ours.said}")
        caption.append(f"n: {table.n_from}")
    made = Table(title=escape(title), caption=escape("; ".join([*caption, paper.where])), caption_justify="left")
    made.add_column(escape(table.by or "task" if table.ours else "what"), overflow="fold")
    models = [name for name, row in table.rows.items() if any(column in row for column in chosen)]
    for name in models:
        made.add_column(escape(name), justify="right", overflow="fold")
    made.add_column("n", justify="right")
    for column in chosen:
        n = table.n.get(table.task_of(column))
        values = [f"{table.rows[name][column]:.2f}" if column in table.rows[name] else "-" for name in models]
        made.add_row(escape(column), *values, "-" if n is None else f"{n:,}")
    return made
