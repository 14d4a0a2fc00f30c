"""Answers -> scores: a pure function of the task and the answer rows, whatever their order. No model is needed."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_builders.errors import UserError

from . import judge, metrics
from .matching import RULES, golds_of
from .metrics import Measure
from .readers import quoted_options
from .scores import Score, TaskScore
from .statistics import RESAMPLES, cluster_sums, interval, share_interval
from .task import Task

RIGHT = 0.5  # a graded score (ANLS, FROW) counts as right from here on


@dataclass(frozen=True)
class Graded:
    """One rule's outcome on every row: the score in 0..1 of each question and the measures made of them."""

    rule: str
    scores: list[float]
    measures: list[Measure]
    unparsed: int = 0


def in_order(rows: Iterable[dict]) -> list[dict]:
    """Rows by question id: sums of floats must not depend on the order in which the answers were written."""
    return sorted(rows, key=lambda row: (isinstance(row["question_id"], str), row["question_id"]))


def cluster_of(row: dict) -> str:
    """What is resampled together: the image; a question without one stands for itself."""
    return row["image"] if row.get("image") else f"question {row['question_id']}"


def grade(task: Task, rule: str, rows: list[dict]) -> Graded:
    """Apply one rule to all rows."""
    if rule == "perplexity":
        measure = metrics.perplexity([row["log_likelihood"] for row in rows], [row["tokens"] for row in rows])
        return Graded(rule, [math.nan] * len(rows), [measure])
    if rule == judge.JUDGE:
        judged = judgements(task, rows)
        measures = metrics.frow_measures([one.item for one in judged], [one.fact for one in judged])
        return Graded(rule, [(one.item + one.fact) / 5 for one in judged], measures)
    if rule not in RULES:
        raise UserError(
            f"task {task.name}: unknown rule {rule!r}; rules: {', '.join(RULES)}, {judge.JUDGE}, perplexity"
        )
    known = {item.question_id: item.options for item in task.items}
    verdicts = []
    for row in rows:
        options = known.get(row["question_id"]) or row.get("options") or quoted_options(row["question"])
        verdicts.append(RULES[rule](row["answer"], row["gold"], options))
    scores = [verdict.score for verdict in verdicts]
    if rule == "pope":
        measures = metrics.pope_measures([one.parsed for one in verdicts], [golds_of(row["gold"])[0] for row in rows])
    else:
        measures = [metrics.accuracy(scores)]
        if rule in ("released", "strict"):
            measures.append(metrics.accuracy_by_image(scores))
    return Graded(rule, scores, measures, sum(verdict.parsed is None for verdict in verdicts))


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
            "judge": judge.JUDGE,
            **judgement.fields(),
        }
        for row, judgement in zip(rows, judgements(task, rows), strict=True)
    ]


def score_judged(task: Task, path: Path, rows: Sequence[dict], notes: Sequence[str] = ()) -> TaskScore:
    """FROW's percentages from a judge's file. Rows without two numbers are unjudged: left out, and counted in a note.

    UserError when no row is judged.
    """
    valid, faults, outside = [], [], 0
    for number, row in enumerate(rows, 1):
        try:
            item, fact = judge.filed_scores(row)
        except UserError as error:
            faults.append(f"row {number}: {error}")
            continue
        outside += not (0 <= item <= judge.ITEM_MOST and 0 <= fact <= judge.FACT_MOST)
        valid.append((row, item, fact))
    if not valid:
        raise UserError(f"{path}: no row is judged ({'; '.join(faults[:3])})")
    notes = list(notes)
    if faults:
        notes.append(f"{len(faults)} of {len(rows)} rows unjudged and left out ({'; '.join(faults[:3])})")
    if outside:
        notes.append(
            f"{outside} rows hold scores outside 0-{judge.ITEM_MOST} and 0-{judge.FACT_MOST}; taken as they are"
        )
    judges = {str(row.get("judge", "judge_file")) for row, _, _ in valid}
    rule = judges.pop() if len(judges) == 1 else "judge_file"
    measures = metrics.frow_measures([item for _, item, _ in valid], [fact for _, _, fact in valid])
    clusters = [str(row.get("image") or f"row {number}") for number, (row, _, _) in enumerate(valid)]
    graded = Graded(rule, [], measures)
    return TaskScore(
        task=task.name,
        title=task.title,
        group=task.group,
        version=task.version,
        n=len(valid),
        images=len(set(clusters)),
        primary=rule,
        scores=[finish(task, graded, measure, clusters, (task.name,)) for measure in measures],
        notes=[*task.notes, *notes],
        image_root=task.image_root,
    )


def judgements(task: Task, rows: list[dict]) -> list[judge.Judgement]:
    """The deterministic judge on every row. It knows all categories of the file, or those of the rows without one."""
    categories = sorted({item.category for item in task.items} or {row["category"] for row in rows})
    return [judge.judge(row["category"], row["question"], str(row["gold"]), row["answer"], categories) for row in rows]


def finish(task: Task, graded: Graded, measure: Measure, clusters: Sequence[str], address: tuple) -> Score:
    """One measure with its interval over images."""
    sums = cluster_sums(clusters, measure.columns_NC)
    sums = measure.per_image(sums) if measure.per_image else sums
    value = float(measure.statistic(sums.sum(0)))
    low, high = interval(sums, measure.statistic, address=address, resamples=RESAMPLES)
    percent = measure.unit == "percent"
    if percent and math.isfinite(value):
        low, high = (100 * end for end in share_interval(value, low, high, len(sums)))
        value *= 100
    elif len(sums) <= 1:
        low = high = math.nan
    n = len(sums) if measure.per_image else len(clusters)
    figures = [None if not math.isfinite(one) else one for one in (value, low, high)]
    return Score(graded.rule, measure.metric, *figures, n=n, unit=measure.unit)


def score_answers(task: Task, rows: Iterable[dict], *, notes: Sequence[str] = ()) -> TaskScore:
    """All numbers of one task from its answer rows (see `engine.answer_row`), each once, in any order.

    Raises UserError when a question has two answers or there are none at all.
    """
    rows = in_order(rows)
    ids = [row["question_id"] for row in rows]
    if not rows:
        raise UserError(f"task {task.name}: no answers to score")
    if len(set(ids)) != len(ids):
        doubled = next(one for one in ids if ids.count(one) > 1)
        raise UserError(f"task {task.name}: question {doubled!r} has more than one answer")
    graded = [grade(task, rule, rows) for rule in task.rules]
    # the primary rule's numbers first: the first one stands for the task
    graded.sort(key=lambda one: one.rule != task.primary)
    clusters = [cluster_of(row) for row in rows]
    scores = [finish(task, one, measure, clusters, (task.name,)) for one in graded for measure in one.measures]
    notes = [*task.notes, *notes]
    unfinished = sum(not row.get("finished", True) for row in rows)
    if unfinished:
        notes.append(f"{unfinished} of {len(rows)} answers were cut off at {task.max_new_tokens} tokens")
    for one in graded:
        if one.unparsed:
            notes.append(f"{one.unparsed} of {len(rows)} answers unparsed under {one.rule} (counted as wrong)")
    return TaskScore(
        task=task.name,
        title=task.title,
        group=task.group,
        version=task.version,
        n=len(rows),
        images=len(set(clusters)),
        primary=task.primary,
        scores=scores,
        disagreements=disagreements(graded),
        notes=notes,
        image_root=task.image_root,
        higher_is_better=not task.is_text,
        categories=metrics.per_category([row["category"] for row in rows], graded[0].scores)
        if task.per_category
        else {},
    )


def disagreements(graded: list[Graded]) -> int:
    """Questions that one rule calls right and another wrong."""
    if len(graded) < 2:
        return 0
    right = np.asarray([one.scores for one in graded]) >= RIGHT
    return int((right.any(0) & ~right.all(0)).sum())


def item_scores(task: Task, rows: Iterable[dict]) -> dict[int | str, float]:
    """question id -> score in 0..1 under the primary rule (the log-likelihood per token for perplexity)."""
    rows = in_order(rows)
    if task.is_text:
        return {row["question_id"]: row["log_likelihood"] / max(1, row["tokens"]) for row in rows}
    return dict(zip([row["question_id"] for row in rows], grade(task, task.primary, rows).scores, strict=True))
