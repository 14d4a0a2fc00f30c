"""One answers file as columns of numbers: a million answers take tens of megabytes, and each row is read once.

A row's text is found again by its place in the file, for the few that are shown.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_builders.shared.errors import UserError

from ..held_out.sides import Sides
from ..judging.verdict import filed_scores
from ..scoring.answer_columns import cluster_of, fill, id_order
from ..scoring.metrics import Measure
from ..scoring.score_answers import RIGHT, grade
from ..scoring.seen_scores import part_measure, part_places
from ..scoring.wordings import KEY as WORDING
from ..scoring.wordings import SPREAD, spread
from ..tasks.task import Task
from ..tasks.task_files import task_without_items
from .faults import fault_of_items, form_of, margin

GOLD_YES = {"yes": 1, "no": 0}


@dataclass(frozen=True)
class Answers:
    """One task's answers at one checkpoint, in the order of the question ids."""

    path: Path
    ids: np.ndarray  # whole numbers, or objects where a benchmark has names
    clusters: np.ndarray  # the image's number, the same in every task of the report
    scores: np.ndarray  # 0..1 under the task's primary rule
    faults: np.ndarray  # numbers in faults.FAULTS
    weighed: np.ndarray  # whether log-probabilities told the fault
    offsets: np.ndarray  # where the row starts, bytes
    value: float  # the task's number, in percent
    influence: np.ndarray  # first-order share of each item in `value`, points
    measure: Measure | None  # None where the number is the plain mean of the scores
    constant: str | None  # the answer that nearly every question got

    @property
    def right(self) -> np.ndarray:
        return self.scores >= RIGHT

    def row(self, place: int) -> dict:
        return read_row(self.path, int(self.offsets[place]))


def read_row(path: Path, offset: int) -> dict:
    with open(path, "rb") as file:
        file.seek(offset)
        return json.loads(file.readline())


def rows_with_offsets(path: Path) -> Iterator[tuple[int, dict]]:
    """(where it starts, row) of every whole row, without a torn last line (a killed process). UserError: damage."""
    offset, number = 0, 0
    with open(path, "rb") as file:
        for line in file:
            number += 1
            start, offset = offset, offset + len(line)
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode())
                if not isinstance(row, dict):
                    raise ValueError
            except ValueError:
                if not line.endswith(b"\n"):
                    return
                raise UserError(f"{path}, line {number}: not an answer row; score it again") from None
            yield start, row


class Columns:
    """What is kept of the rows while the scorer reads them."""

    def __init__(self, path: Path, root: str, task: Task, clusters: dict[str, int]) -> None:
        self.path, self.root, self.task, self.numbers = path, root, task, clusters
        self.ids: list[int | str] = []
        self.clusters: list[int] = []
        self.offsets: list[int] = []
        self.form: list[int] = []
        self.margins: list[float] = []
        self.said: list[int] = []
        self.golds: list[int] = []
        self.gold_yes: list[int] = []

    def watched(self) -> Iterator[dict]:
        open_answer, key = self.task.kind == "open", self.task.cluster
        for offset, row in rows_with_offsets(self.path):
            yield row
            self.ids.append(row["question_id"])
            # One image has one number in all tasks; equal question ids of two tasks mean nothing.
            alone = key == "question_id" or not row.get(key)
            cluster = f"{self.root}\x1f{(self.task.name, row['question_id']) if alone else cluster_of(row, key)}"
            self.clusters.append(self.numbers.setdefault(cluster, len(self.numbers)))
            self.offsets.append(offset)
            form, said, wanted = form_of(row, open_answer=open_answer)
            self.form.append(form)
            self.margins.append(margin(row))
            self.said.append(said)
            self.golds.append(wanted)
            self.gold_yes.append(GOLD_YES.get(row["gold"], -1) if isinstance(row["gold"], str) else -1)


def judged_scores(path: Path, rule: str, rows: list[dict]) -> np.ndarray | None:
    """Scores of open answers from the judge's file beside them; None where that judge (`rule`) left no such file."""
    verdicts = judged_rows(path)
    try:
        found = [verdicts[row.get("image"), row.get("question")] for row in rows]
        if not found or any(str(one.get("judge")) != rule for one in found):
            return None
        return np.asarray([sum(filed_scores(one)) / 5 for one in found])
    except (KeyError, UserError):
        return None


def judged_rows(path: Path) -> dict[tuple, dict]:
    """(image, question) -> the judge's row, of the file that lies in judged/ beside an answers file."""
    file = path.parent / "judged" / path.name
    if not file.exists():
        return {}
    return {(row.get("image"), row.get("question")): row for _, row in rows_with_offsets(file)}


def gradient(measure: Measure, totals: np.ndarray) -> np.ndarray:
    """How the number moves with each column's total."""
    steps = np.maximum(np.abs(totals), 1.0) * 1e-5
    ahead, behind = totals + np.diag(steps), totals - np.diag(steps)
    slope = (measure.statistic(ahead) - measure.statistic(behind)) / (2 * steps)
    return np.where(np.isfinite(slope), slope, 0.0)


def read_answers(
    path: Path, task_name: str, rule: str, root: str, clusters: dict[str, int], part: tuple[str, Sides] | None = None
) -> Answers | None:
    """The answers of one file under the rule that stands for its task; None where this program cannot score it so.

    `clusters` gives every image its number and is added to. `part`: of the answers only those of seen categories, or
    unseen ones, or both with the harmonic mean as the number; or all, with the spread of wordings as the number.
    UserError: a row is no answer row, with its file.
    """
    try:
        task = task_without_items(task_name)
    except UserError:
        return None
    columns = Columns(path, root, task, clusters)
    try:
        sheet = fill(task, columns.watched(), [rule if rule in task.rules else task.primary])
        order = id_places(columns.ids)
        if rule in task.rules:
            graded = grade(task, rule, sheet)
            scores, measure = graded.scores, graded.measures[0]
        elif (scores := judged_scores(path, rule, sheet.rows)) is not None:
            measure = Measure("final", np.stack([scores, np.ones(len(scores))], 1), lambda t: t[..., 0] / t[..., 1])
        else:
            return None
    except UserError:
        if not columns.ids:  # the file was only begun
            return None
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: a row is no answer row ({type(error).__name__}: {error}); score it again") from None
    kept: np.ndarray | slice = slice(None)
    if part is not None and part[0] == SPREAD:
        measure = spread(scores, list(sheet.members(WORDING).values()))
    elif part is not None:
        kept = part_places(part[1], sheet.pictures, part[0])
        measure = part_measure(measure, part[1], sheet.pictures, part[0])
        measure = replace(measure, columns_NC=measure.columns_NC[kept])
    totals = measure.columns_NC.sum(0)
    fault, weighed, constant = fault_of_items(
        *(np.asarray(one)[order] for one in (
            np.asarray(columns.form, np.uint8), columns.margins, columns.said, columns.golds, columns.gold_yes
        ))
    )  # fmt: skip
    offsets = np.asarray(columns.offsets, np.int64)[order]
    plain_mean = measure.columns_NC.shape[1] == 2 and np.ptp(measure.columns_NC[:, 1]) == 0
    said = None
    if constant is not None:
        row = read_row(path, int(columns.offsets[columns.said.index(constant)]))
        said = str(row["answer"]).strip()[:60]
    return Answers(
        path=path,
        ids=id_column(sheet.ids)[kept],
        clusters=np.asarray(columns.clusters, np.int32)[order][kept],
        scores=scores.astype(np.float32)[kept],
        faults=fault[kept],
        weighed=weighed[kept],
        offsets=offsets[kept],
        value=100 * float(measure.statistic(totals)),
        influence=(100 * measure.columns_NC @ gradient(measure, totals)).astype(np.float32),
        measure=None if plain_mean else measure,
        constant=said,
    )


def id_places(ids: list[int | str]) -> np.ndarray:
    if all(type(one) is int for one in ids):
        return np.argsort(np.asarray(ids, np.int64), kind="stable")
    return np.asarray(sorted(range(len(ids)), key=lambda place: id_order(ids[place])), np.int64)


def id_column(ids: list[int | str]) -> np.ndarray:
    if all(type(one) is int for one in ids):
        return np.asarray(ids, np.int64)
    column = np.empty(len(ids), object)
    column[:] = ids
    return column
