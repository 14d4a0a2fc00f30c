"""Answers -> scores: a pure function of the task and the answer rows, whatever their order. No model is needed."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from data_builders.shared.errors import UserError

from ..held_out.sides import Sides
from ..judging.deterministic import IDENTITY
from ..judging.verdict import judged_by
from ..tasks.task import Task
from . import metrics
from .answer_columns import Sheet, fill
from .chance import chance_at, chance_of
from .group_scores import group_scores, ranked_scores
from .group_values import FROM_WORDING
from .intervals import score_of
from .matching import JUDGE, LIST_RULES, PERPLEXITY, YES_NO_RULES
from .metrics import Measure
from .name_lists import RANK, list_curves, list_measures
from .own_rules import known_rules
from .score_files import GroupScore, Score, TaskScore
from .score_judged import in_order, judgements
from .seen_scores import places_of, seen_scores
from .task_measures import task_measures
from .wordings import KEY as WORDING
from .wordings import wording_scores

RIGHT = 0.5  # a graded score (ANLS, FROW) counts as right from here on


@dataclass(frozen=True)
class Graded:
    """One rule's outcome on every row: the score in 0..1 of each question and the measures made of them."""

    rule: str
    scores: np.ndarray
    measures: list[Measure]


def grade(task: Task, rule: str, sheet: Sheet) -> Graded:
    """One rule's scores and measures, the one that stands for the task first."""
    if rule == PERPLEXITY:
        measure = metrics.perplexity(
            [row["log_likelihood"] for row in sheet.rows], [row["tokens"] for row in sheet.rows]
        )
        return Graded(rule, np.full(len(sheet.rows), np.nan), [measure])
    if rule == JUDGE:
        judged = judgements(task, sheet.rows)
        measures = metrics.frow_measures([one.item for one in judged], [one.fact for one in judged])
        return Graded(rule, np.asarray([(one.item + one.fact) / 5 for one in judged]), measures)
    if rule in LIST_RULES:
        return Graded(rule, (sheet.lists[rule][:, RANK] == 1).astype(float), list_measures(sheet.lists[rule], rule))
    scores = sheet.scores[rule]
    return Graded(rule, scores, task_measures(task, sheet, rule, scores, sheet.labels.get(rule)))


def check_rules(task: Task) -> None:
    for rule in task.rules:
        if rule not in (known := known_rules()):
            raise UserError(f"task {task.name}: unknown rule {rule!r}; rules: {', '.join(known)}")


def score_answers(
    task: Task, rows: Iterable[dict], *, notes: Sequence[str] = (), sides: Sides | None = None
) -> TaskScore:
    """All numbers of one task from its answer rows (see `asking.answer_rows`), each once, in any order; `rows` may be
    a generator, as each is looked at once.

    `sides`: which pictures show a category that is held out; the task's own number is then also given for seen and for
    unseen ones, and their harmonic mean (groups by held_out).

    Raises UserError when a question has two answers or there are none at all.
    """
    check_rules(task)
    # the primary rule's numbers first: the first one stands for the task
    rules = sorted(task.rules, key=lambda rule: rule != task.primary)
    sheet = fill(task, rows, rules)
    address = (task.name,)
    scores: list[Score] = []
    columns = {}
    for rule in rules:
        graded = grade(task, rule, sheet)
        columns[rule] = graded.scores
        if rule == task.primary:
            main = graded.measures[0]
        scores += [score_of(rule, measure, sheet.index, address) for measure in graded.measures]
    groups = group_scores(task, sheet, columns[task.primary], address)
    if task.ranked:
        ranked, ranking_note = ranked_scores(task, sheet, columns[task.primary], groups, address)
        scores += ranked
        notes = [*notes, ranking_note]
    if WORDING in task.groups:
        found, note = wording_scores(task.primary, sheet, columns[task.primary], address)
        scores += found
        notes = [*notes, *([note] if note else [])]
    if sides is not None:
        parts, more = seen_and_unseen(task, sheet, main, sides, address)
        groups, notes = [*groups, *parts], [*notes, *more]
    differences = {
        rule: int(((columns[rule] >= RIGHT) != (columns[task.primary] >= RIGHT)).sum()) for rule in rules[1:]
    }
    return TaskScore(
        task=task.name,
        title=task.title,
        group=task.group,
        version=task.version,
        n=len(sheet.ids),
        images=len(set(sheet.clusters)),
        primary=task.primary,
        scores=scores,
        disagreements=disagreements(list(columns.values())),
        notes=[*task.notes, *notes, *said_beside(task, sheet, differences)],
        image_root=task.image_root,
        higher_is_better=not task.is_text,
        categories=metrics.per_category(sheet.categories, columns[task.primary].tolist()) if task.per_category else {},
        groups=groups,
        unparsed={rule: count for rule, count in sheet.unparsed.items() if count},
        differences=differences,
        chance=chance_of(task, sheet),
        name_lists={rule: asdict(list_curves(standings)) for rule, standings in sheet.lists.items()},
    )


def split_score(task: Task, rows: Iterable[dict], sides: Sides) -> tuple[list[GroupScore], list[str]]:
    """What `score_answers` gives for seen and unseen categories alone, and the notes about it."""
    check_rules(task)
    sheet = fill(task, rows, [task.primary])
    return seen_and_unseen(task, sheet, grade(task, task.primary, sheet).measures[0], sides, (task.name,))


def seen_and_unseen(
    task: Task, sheet: Sheet, measure: Measure, sides: Sides, address: tuple
) -> tuple[list[GroupScore], list[str]]:
    def guessed(scores: np.ndarray, labels: np.ndarray | None) -> Measure:
        return task_measures(task, sheet, task.primary, scores, labels)[0]

    places = places_of(sides, sheet.pictures)
    chances = {side: chance_at(task, sheet, some, guessed) if len(some) else None for side, some in places.items()}
    return seen_scores(task.primary, measure, sheet.pictures, sheet.index, sides, address, chances)


def said_beside(task: Task, sheet: Sheet, differences: dict[str, int]) -> list[str]:
    """What must be said beside the numbers."""
    notes, count = [], len(sheet.ids)
    if JUDGE in task.rules:
        notes += judged_by([IDENTITY.fields()])
    if sheet.unfinished:
        notes.append(f"{sheet.unfinished} of {count} answers were cut off at {task.max_new_tokens} tokens")
    if sheet.with_thoughts:
        notes.append(f"{sheet.with_thoughts} of {count} answers came with thoughts, which are left out")
    for rule, unparsed in sheet.unparsed.items():
        if unparsed:
            notes.append(f"{unparsed} of {count} answers unparsed under {rule} (counted as wrong)")
    if len(differences) > 1:
        notes += [f"{rule} differs from {task.primary} on {number} of {count}" for rule, number in differences.items()]
    if task.primary in YES_NO_RULES:
        parts = sheet.members(task.mean_of) if task.mean_of else {task.title: np.arange(count)}
        counts = metrics.yes_no_counts(sheet.labels[task.primary], sheet.gold_yes)
        for name, places in parts.items():
            if faults := metrics.without_denominator(counts[places], task.primary):
                notes.append(f"{name}: nothing to divide by for {' and '.join(faults)}; taken as 0")
    for key, values in sheet.groups.items():
        if key not in FROM_WORDING and not task.items and not any(values):
            notes.append(f"no answer row tells its {key}; give the question file (--questions) to score by it")
    return notes


def disagreements(columns: Sequence[np.ndarray]) -> int:
    """Questions that one rule calls right and another wrong."""
    if len(columns) < 2:
        return 0
    right = np.asarray(columns) >= RIGHT
    return int((right.any(0) & ~right.all(0)).sum())


def item_scores(task: Task, rows: Iterable[dict]) -> dict[int | str, float]:
    """question id -> score in 0..1 under the primary rule (the log-likelihood per token for perplexity)."""
    if task.is_text:
        return {row["question_id"]: row["log_likelihood"] / max(1, row["tokens"]) for row in in_order(rows)}
    sheet = fill(task, rows, [task.primary])
    return dict(zip(sheet.ids, map(float, grade(task, task.primary, sheet).scores), strict=True))
