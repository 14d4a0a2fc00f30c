"""Consistency along the path of levels: does what a picture is called at one level lie under what it is called above?

A model that says "laysan albatross" and, asked for the genus, "gull" has named two things in one picture. Of a data
set's pictures that FG-BMK asks about at several levels, in one kind of question:

* `path agree`: the answers of all levels lie on one path of the taxonomy, right or wrong;
* `path all_right`: they are the right ones at every level;
* `path unnamed`: at one level or more the answer names none of its labels, and so agrees with nothing.

They stand beside the finest level's own numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..judging.mentions import Text
from ..judging.recognition import EXACT, LEVEL, UNNAMED, Known
from ..judging.taxonomy import Taxonomy, key_of
from ..tasks.task import CONDITION, Task
from ..tasks.task_files import spec_of
from ..tasks.taxonomies import NoTaxonomy, taxonomy_for
from .intervals import score_of
from .metrics import Measure
from .score_files import Score, TaskScore
from .statistics import cluster_index, ratio

RULE = "path"
SPEC = "fgbmk"
KINDS = ("choice", "short_answer")  # whose answers are names
METRICS = ("agree", "all_right", "unnamed")


@dataclass(frozen=True)
class Said:
    """What one picture was called at one level: "" for no name of that level."""

    label: str
    right: bool


def with_paths(
    scores: dict[str, TaskScore], tasks: Sequence[Task], answers: Mapping[str, Sequence[dict]]
) -> dict[str, TaskScore]:
    """The scores, those of the finest level of each path with the path's. Without a taxonomy a note says what would
    give one."""
    found = dict(scores)
    for path in paths([task for task in tasks if task.name in scores]):
        try:
            taxonomy = taxonomy_with(path)
        except NoTaxonomy as error:
            last = found[path[0].name]
            note = f"consistency along the levels is not measured: {error}"
            found[path[0].name] = replace(last, notes=[*last.notes, note])
            continue
        ordered = sorted(path, key=lambda task: taxonomy.levels.index(level_of(task)))
        last = found[ordered[0].name]
        more, note = path_scores(ordered, [answers[task.name] for task in ordered], taxonomy)
        found[ordered[0].name] = replace(last, scores=[*last.scores, *more], notes=[*last.notes, note])
    return found


def taxonomy_with(path: Sequence[Task]) -> Taxonomy:
    """The taxonomy of the finest level of these, with all of them. NoTaxonomy when none is at hand."""
    levels = [level_of(task) for task in path]
    for task in path:
        found = taxonomy_for(task)
        if set(levels) <= set(found.levels):
            return found
    raise NoTaxonomy(f"{found.source} has the levels {', '.join(found.levels)}, and asked is at {', '.join(levels)}")


def level_of(task: Task) -> str:
    return spec_of(task.name)[1]["level"]


def paths(tasks: Sequence[Task]) -> list[list[Task]]:
    """Tasks that ask about one data set in one kind of question and under one condition, at two levels or more; the
    level with most labels first."""
    found: dict[tuple[str, str, str], list[Task]] = {}
    for task in tasks:
        spec, fields = spec_of(task.name)
        if spec.name == SPEC and task.kind in KINDS and task.items:
            found.setdefault((fields["dataset"], task.kind, task.name.partition(CONDITION)[2]), []).append(task)
    several = [path for path in found.values() if len(path) > 1]
    return [sorted(path, key=lambda task: -len({str(item.gold) for item in task.items})) for path in several]


def path_scores(
    tasks: Sequence[Task], answers: Sequence[Sequence[dict]], taxonomy: Taxonomy
) -> tuple[list[Score], str]:
    """The three shares over the pictures asked at every level (`tasks`: finest first), and what is to be said of them.

    A picture that is called what the taxonomy does not know (an option from outside it) is left out, and counted.
    """
    levels = [level_of(task) for task in tasks]
    trees = [taxonomy.at(level) for level in levels]
    said = [called(*one) for one in zip(tasks, answers, trees, strict=True)]
    images = sorted(set.intersection(*(set(one) for one in said)))
    verdicts: dict[str, tuple[bool, bool, bool]] = {}
    for image in images:
        steps = [one[image] for one in said]
        if not all(known(step, tree) for step, tree in zip(steps[:-1], trees[:-1], strict=True)):
            continue
        verdicts[image] = (
            all(map(lies_under, steps[:-1], steps[1:], trees[:-1], levels[1:])),
            all(one.right for step in steps for one in step),
            any(not one.label for step in steps for one in step),
        )
    path = " < ".join(reversed(levels))
    note = f"{RULE}: {path}, pictures asked at every level: {len(images)}"
    if left := len(images) - len(verdicts):
        note += f", {left} of them called what has no known parent and left out"
    if not verdicts:
        return [], note
    index, table = cluster_index(list(verdicts)), np.asarray(list(verdicts.values()), float)
    ones = np.ones(len(table))
    scores = [
        score_of(RULE, Measure(metric, np.stack([column, ones], axis=1), ratio), index, (tasks[0].name, RULE, metric))
        for metric, column in zip(METRICS, table.T, strict=True)
    ]
    return scores, note


def called(task: Task, rows: Sequence[dict], taxonomy: Taxonomy) -> dict[str, list[Said]]:
    """Image -> what it was called, once a question about it."""
    options = [option for item in task.items for option in item.options]
    names = {key_of(one): one for one in (*options, *taxonomy.loose, *taxonomy.names)}
    knows, found = Known(names.values(), taxonomy), {}
    for row in sorted(rows, key=lambda row: str(row["question_id"])):
        gold = str(row["gold"])
        one = knows.named(gold, row["question"], "", Text(row["answer"]))
        label = "" if one.outcome in (LEVEL, UNNAMED) or one.level else one.named
        found.setdefault(row["image"], []).append(Said(label, one.outcome == EXACT))
    return found


def known(step: Sequence[Said], taxonomy: Taxonomy) -> bool:
    return not taxonomy.missing(one.label for one in step if one.label)


def lies_under(fine: Sequence[Said], coarse: Sequence[Said], taxonomy: Taxonomy, level: str) -> bool:
    """Do all names of the finer level lie under all names of the coarser?"""
    place = taxonomy.levels.index(level) - 1
    above = {key_of(taxonomy.of(one.label).ancestors[place]) if one.label else "" for one in fine}
    named = {key_of(one.label) for one in coarse}
    return above == named and len(named) == 1 and "" not in named
