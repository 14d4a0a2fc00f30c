"""Scores of open answers (FROW): the deterministic judge's verdicts on answer rows, and any judge's file."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from data_builders.shared.errors import UserError

from ..held_out.sides import Sides
from ..judging.deterministic import IDENTITY, judge_known
from ..judging.recognition import Known
from ..judging.verdict import FACT_MOST, ITEM_MOST, Judgement, filed_scores, judged_by, on_the_scale
from ..tasks.task import Task
from . import metrics
from .answer_columns import id_order
from .intervals import score_of
from .score_files import TaskScore
from .seen_scores import seen_scores
from .statistics import cluster_index


def in_order(rows: Iterable[dict]) -> list[dict]:
    """Rows by question id: sums of floats must not depend on the order in which the answers were written."""
    return sorted(rows, key=lambda row: id_order(row["question_id"]))


def judge_rows(task: Task, rows: Iterable[dict]) -> list[dict]:
    """The deterministic judge's verdicts with their reasons, under the field names that FROW's own judge files have."""
    rows = in_order(rows)
    return [
        {
            "image": row["image"],
            "name": row["category"],
            "question": row["question"],
            "ref_answer": row["gold"],
            "answer": row["answer"],
            **judgement.fields(),
            **IDENTITY.fields(),
        }
        for row, judgement in zip(rows, judgements(task, rows), strict=True)
    ]


def score_judged(
    task: Task, path: Path, rows: Sequence[dict], notes: Sequence[str] = (), sides: Sides | None = None
) -> TaskScore:
    """FROW's percentages from a judge's file. Rows without two numbers are unjudged: left out, and counted in a note.

    `sides`: as of `score_answers`. UserError when no row is judged.
    """
    valid, faults, outside = [], [], 0
    for number, row in enumerate(rows, 1):
        try:
            item, fact = filed_scores(row)
        except UserError as error:
            faults.append(f"row {number}: {error}")
            continue
        outside += not on_the_scale(item, fact)
        valid.append((row, item, fact))
    if not valid:
        raise UserError(f"{path}: no row is judged ({'; '.join(faults[:3])})")
    notes = [*notes, *judged_by(row for row, _, _ in valid)]
    if faults:
        notes.append(f"{len(faults)} of {len(rows)} rows unjudged and left out ({'; '.join(faults[:3])})")
    if outside:
        notes.append(f"{outside} rows hold scores outside 0-{ITEM_MOST} and 0-{FACT_MOST}; taken as they are")
    judges = {str(row.get("judge", "judge_file")) for row, _, _ in valid}
    rule = judges.pop() if len(judges) == 1 else "judge_file"
    measures = metrics.frow_measures([item for _, item, _ in valid], [fact for _, _, fact in valid])
    clusters = [str(row.get("image") or f"row {number}") for number, (row, _, _) in enumerate(valid)]
    index, groups = cluster_index(clusters), []
    if sides is not None:
        pictures = [row.get("image") for row, _, _ in valid]
        groups, more = seen_scores(rule, measures[0], pictures, index, sides, (task.name,), {})
        notes += more
    return TaskScore(
        task=task.name,
        title=task.title,
        group=task.group,
        version=task.version,
        n=len(valid),
        images=len(set(clusters)),
        primary=rule,
        scores=[score_of(rule, measure, index, (task.name,)) for measure in measures],
        notes=[*task.notes, *notes],
        image_root=task.image_root,
        groups=groups,
    )


def judgements(task: Task, rows: list[dict]) -> list[Judgement]:
    """The deterministic judge on every row. It knows all categories of the file, or those of the rows without one."""
    categories = sorted({item.category for item in task.items} or {row["category"] for row in rows})
    known = Known(categories)
    return [judge_known(row["category"], row["question"], str(row["gold"]), row["answer"], known) for row in rows]
