"""Published numbers beside measured ones: which tables have a number for what a run measured on the same questions.

A task's data set counts as the published one where it has as many questions (or, where only that is known, as many
images) as were published. Otherwise no published number is shown for it, but "not the same questions": a drawn or a
sub-sampled set is another test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..ledger import Run, known, primary
from .paper_files import Ours, Paper, PublishedTable, papers

FEW = 3  # runs


@dataclass(frozen=True)
class Measured:
    """What one model was measured to be. `index`: the place of its run."""

    index: int
    label: str
    tasks: Mapping[str, dict]  # task -> TaskScore as scores.json holds it


@dataclass
class Beside:
    """One published table with what was measured of it. `cells` and `published` follow `columns`; a cell is None where
    nothing was measured, or on other questions."""

    paper: Paper
    table: PublishedTable
    columns: list[str]
    measured: list[tuple[Measured, list[dict | None]]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # why a measured column is not shown

    @property
    def published(self) -> list[tuple[str, list[float | None]]]:
        rows = [(name, [row.get(column) for column in self.columns]) for name, row in self.table.rows.items()]
        return [(name, values) for name, values in rows if any(value is not None for value in values)]

    def questions(self, column: str) -> str:
        """How many questions (or images) the published number of a column is of, in words."""
        n = self.table.n.get(self.table.task_of(column))
        return f"{n:,}" if n is not None else f"{self.table.images:,} images"


def of_runs(runs: Sequence[Run]) -> list[Measured]:
    """Where each run ended and, of a few runs, where it began."""
    found = []
    for index, run in enumerate(runs):
        for one in dict.fromkeys((run.checkpoints[0].name, run.last.name)) if len(runs) <= FEW else (run.last.name,):
            checkpoint = next(c for c in reversed(run.checkpoints) if c.name == one)
            found.append(Measured(index, f"{run.name}, {one}", checkpoint.tasks))
    return found


def beside(measured: Sequence[Measured]) -> list[Beside]:
    """Every published table that has a number for something measured under the same or a comparable rule."""
    found = [_beside(paper, table, measured) for paper in papers() for table in paper.tables if table.ours]
    return [one for one in found if one.columns or one.others]


def _beside(paper: Paper, table: PublishedTable, measured: Sequence[Measured]) -> Beside:
    cells = {
        (place, column): _score(one.tasks.get(table.task_of(column)), table, column)
        for place, one in enumerate(measured)
        for column in table.columns
    }
    others: dict[str, None] = {}
    for (place, column), score in list(cells.items()):
        task = table.task_of(column)
        if score is not None and (reason := not_the_same(measured[place].tasks[task], table, task)):
            others[reason] = None
            cells[place, column] = None
    columns = [c for c in table.columns if any(cells[place, c] for place in range(len(measured)))]
    one = Beside(paper, table, columns, others=list(others))
    for place, who in enumerate(measured):
        row = [cells[place, column] for column in columns]
        if any(row):
            one.measured.append((who, row))
    return one


def not_the_same(task_score: dict, table: PublishedTable, task: str) -> str:
    """Why a task's questions are not known to be the published ones; "" where they are."""
    if task in table.n:
        n, wanted, what = task_score.get("n"), table.n[task], "questions"
    elif table.images is not None:
        n, wanted, what = task_score.get("images"), table.images, "images"
    else:
        return f"{task}: how many questions were published is not known here, so they may be others"
    return "" if n == wanted else f"{task}: not the same questions ({wanted:,} {what} published, {n or 0:,} here)"


def _score(task_score: dict | None, table: PublishedTable, column: str) -> dict | None:
    """The number of a task (or of one value of the table's key) under the rule that stands for the paper's."""
    if task_score is None:
        return None
    if table.by:
        groups = [
            one for one in task_score.get("groups") or () if (one.get("by"), one.get("name")) == (table.by, column)
        ]
        return next((one for one in groups if _fits(one, table.ours) and known(one.get("value"))), None)
    if not table.ours.rules and not table.ours.metric:
        one = primary(task_score)
        return one if known(one.get("value")) else None
    for rule in table.ours.rules or (task_score["primary"],):
        for one in task_score["scores"]:
            if one["rule"] == rule and (one.get("metric") or "accuracy") == table.ours.metric and known(one["value"]):
                return one
    return None


def _fits(group: dict, ours: Ours) -> bool:
    return group.get("rule") in ours.rules and (group.get("metric") or "accuracy") == ours.metric


def not_shown(found: Sequence[Beside]) -> list[str]:
    """Every reason once: the measured tasks whose published numbers are of other questions."""
    return [f"{one.paper.source}, {one.table.table}: {reason}" for one in found for reason in one.others]


def to_json(found: Sequence[Beside]) -> list[dict]:
    """For programs. `measured` and `published` are two lists, so that nothing takes one for the other."""
    return [
        {
            "source": one.paper.source,
            "table": one.table.table,
            "title": one.table.title,
            "paper": one.paper.paper,
            "where": one.paper.where,
            **one.table.model_dump(include={"rule", "split", "prompt", "decoding", "rounded"}),
            "same_rule": one.table.ours.same,
            "why": one.table.ours.said,
            "columns": one.columns,
            "questions": [one.table.n.get(one.table.task_of(column)) for column in one.columns],
            "measured": [{"of": who.label, "scores": row} for who, row in one.measured],
            "published": [{"of": name, "values": values} for name, values in one.published] if one.columns else [],
            "not_shown": one.others,
        }
        for one in found
    ]
