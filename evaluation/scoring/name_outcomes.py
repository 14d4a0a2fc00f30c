"""Answers that are names, scored as names: what each comes to by taxonomy (`recognition.OUTCOMES`), and the shares.

Every answer has exactly one outcome, so that it can be told which way a wrong answer went: to a sibling, to something
too coarse, to another category or to no name at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_builders.shared.errors import UserError

from ..judging.mentions import Text
from ..judging.recognition import LEVEL, OUTCOMES, OWN_WORD, SIBLING, Known
from ..judging.taxonomy import Taxonomy
from ..tasks.task import Task
from ..tasks.taxonomies import NoTaxonomy, all_names, data_folder, has_names, taxonomy_for
from .answer_columns import cluster_of
from .intervals import score_of
from .metrics import Measure
from .score_files import Score, TaskScore
from .statistics import cluster_index, ratio

FOLDER = "named"  # beside a checkpoint's answers
SHARE = "share"  # the metric of an outcome


def named_rows(task: Task, rows: Sequence[dict], taxonomy: Taxonomy) -> list[dict]:
    """For each answer its outcome, and what it names. UserError for an answer about a category that is in none."""
    whole = all_names(task, rows, taxonomy)
    known, found = Known(whole, taxonomy), []
    for row in rows:
        is_open = task.kind == "open"
        gold = row["category"] if is_open else str(row["gold"])
        taxonomy.check([gold])
        one = known.named(gold, row["question"], str(row["gold"]) if is_open else "", Text(row["answer"]))
        about = {"named": one.named, "level": one.level, "by": one.by}
        found.append(
            {"question_id": row["question_id"], "image": row.get("image"), "category": gold, "outcome": one.outcome}
            | {key: value for key, value in about.items() if value}
        )
    return found


def shares(task: Task, rows: Sequence[dict], found: Sequence[dict], taxonomy: Taxonomy) -> list[Score]:
    """The share of each outcome, and of `name_level` at each level, with intervals over images."""
    clusters = {row["question_id"]: cluster_of(row, task.cluster) for row in rows}
    index = cluster_index([clusters[one["question_id"]] for one in found])
    outcomes = [one["outcome"] for one in found]
    levels = [one.get("level", "") for one in found]

    def score(rule: str, metric: str, hit: np.ndarray) -> Score:
        columns = np.stack([hit.astype(float), np.ones(len(hit))], axis=1)
        return score_of(rule, Measure(metric, columns, ratio), index, (task.name, rule, metric))

    told = [one for one in OUTCOMES if one != SIBLING or taxonomy.coarser]
    scores = [score(one, SHARE, np.asarray([other == one for other in outcomes])) for one in told]
    for level in (*taxonomy.coarser, OWN_WORD):
        hit = np.asarray([pair == (LEVEL, level) for pair in zip(outcomes, levels, strict=True)])
        scores.append(score(LEVEL, level, hit))
    return scores


def with_names(
    score: TaskScore, task: Task, rows: Iterable[dict], given: Taxonomy | None = None
) -> tuple[TaskScore, list[dict]]:
    """The score with the shares of outcomes behind its own numbers, and a row for each answer (see `named_rows`).

    Of other tasks as it is. Where no taxonomy is at hand a note says what file would give it. UserError when the one
    `given` does not fit, or the task's answers are no names.
    """
    if not has_names(task):
        if given is not None:
            raise UserError(f"--taxonomy is for tasks whose answers hold a name, not for {task.name}")
        return score, []
    rows = sorted(rows, key=lambda row: str(row["question_id"]))
    try:
        taxonomy = taxonomy_for(task, given)
        found = named_rows(task, rows, taxonomy)
    except NoTaxonomy as error:
        return replace(score, notes=[*score.notes, f"names are not measured: {error}"]), []
    where = taxonomy.source
    if task.source is not None:  # the same on every machine
        where = where.replace(f"{data_folder(task.source)}/", "")
    notes = [f"names by {where}"]
    if not taxonomy.coarser:
        notes.append(f"siblings are not measured: no level above {taxonomy.levels[0]} is known")
    loose = set(taxonomy.loose)
    if count := sum(one.get("named") in loose for one in found):
        notes.append(f"{count} of {len(found)} answers name what no question tells the parent of (counted as other)")
    more = shares(task, rows, found, taxonomy)
    return replace(score, scores=[*score.scores, *more], notes=[*score.notes, *notes]), found


def named_file(folder: Path, task: Task) -> Path:
    return Path(folder) / FOLDER / task.file_name
