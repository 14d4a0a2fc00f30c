"""What a run's training neither shows nor names: its scores are also given for seen and for unseen categories.

<runs_root>/.stages/<fingerprint>/held_out/<identity>.json   of a checkpoint's answers, for every run with this list
<run>/held_out.json                                          which pictures are seen and unseen, for report and study

Answers are asked once for all runs that share a checkpoint, whatever each of them holds out.
"""

from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from data_builders.records import Manifest
from data_builders.shared.files import read_jsonl
from data_builders.shared.state_files import read_checked, write_checked
from evaluation.asking import subset_of
from evaluation.held_out import (
    FILE,
    HeldOutNames,
    Sides,
    names_of_sets,
    read_held_out,
    sides_of_tasks,
    write_sides,
)
from evaluation.judging.judge_scores import with_judges_beside
from evaluation.scoring.score_answers import split_score
from evaluation.scoring.score_files import GroupScore, TaskScore
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task import Task
from evaluation.tasks.task_files import group_of, task_without_items
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe

from .identity import identity_of

FOLDER = "held_out"


def held_out_of(recipe: Recipe) -> HeldOutNames | None:
    """The list that the recipe names, else what all sets of its mixture hold out; None: nothing."""
    chosen, key = recipe.evaluation.held_out, "evaluation.held_out"
    if chosen is not None:
        places = [recipe.data_folder(one) if one in recipe.data else recipe.path(one, key) for one in chosen]
        return read_held_out(*places)
    folders = [recipe.data_folder(name) for name in _with_rows_of_their_own(recipe)]
    return names_of_sets([one for one in folders if (one / "manifest.json").is_file()])


def _with_rows_of_their_own(recipe: Recipe) -> list[str]:
    return [name for name in recipe.mixed_data if recipe.data[name].replay is None]


def shown_all_the_same(recipe: Recipe) -> list[str]:
    """Lines about sets of the mixture whose held-out categories another set of it shows, so that none is unseen; none
    where the recipe names what is held out."""
    if recipe.evaluation.held_out is not None or not recipe.evaluation.tasks:
        return []
    folders = {name: recipe.data_folder(name) for name in _with_rows_of_their_own(recipe)}
    sets = {name: Manifest.load(one) for name, one in folders.items() if (one / "manifest.json").is_file()}
    return [
        f"{recipe.name}: {name} holds out categories of {source}, but {other} is made of all of {source}: none of them "
        "is unseen, and no score is given for them"
        for name, one in sets.items()
        for source in one.held_out
        for other, shown in sets.items()
        if source in shown.sources and source not in shown.held_out
    ]


def sides_of(recipe: Recipe) -> dict[str, Sides]:
    """Task -> which pictures are seen and unseen; {} where nothing is held out. UserError: a question file is missing,
    or a file lists what no task asks about."""
    names = held_out_of(recipe)
    if names is None or not recipe.evaluation.tasks:
        return {}
    groups = tuple(recipe.evaluation.groups.items())
    return dict(_sides(recipe.evaluation.tasks, tuple(recipe.evaluation_folders()), groups, names))


@lru_cache(maxsize=64)
def _sides(
    names: tuple[str, ...], folders: tuple[Path, ...], groups: tuple[tuple[str, str], ...], held_out: HeldOutNames
) -> dict[str, Sides]:
    tasks = _tasks(names, folders)
    return sides_of_tasks([replace(one, group=group_of(one.name, one.group, dict(groups))) for one in tasks], held_out)


@lru_cache(maxsize=8)
def _tasks(names: tuple[str, ...], folders: tuple[Path, ...]) -> tuple[Task, ...]:
    return tuple(load_tasks(list(names), list(folders)))


def with_seen(recipe: Recipe, found: dict[str, Any], path: Path, answers: Path) -> dict[str, Any]:
    """A kept evaluation, a judge's scores in it, with its fine-grained scores for seen and unseen categories.

    `path`: the evaluation's file; `answers`: the folder of its answers. UserError where these are no longer those that
    were scored.
    """
    sides = sides_of(recipe)
    if not sides:
        return found
    scored = {name: found["tasks"][name]["scores"] for name in sides if name in found["tasks"]}
    key = identity_of([path.stem, scored, sorted((name, one.identity) for name, one in sides.items())])
    kept = path.parent.parent / FOLDER / f"{key}.json"
    if (parts := read_checked(kept)) is None:
        tasks = {one.name: one for one in _tasks(recipe.evaluation.tasks, tuple(recipe.evaluation_folders()))}
        scores = {name: TaskScore.from_json(found["tasks"][name]) for name in scored}
        made = {name: _parts(recipe, tasks[name], score, answers, sides[name]) for name, score in scores.items()}
        some = {
            name: {item.question_id for item in subset_of(one, recipe.evaluation.subset)} for name, one in tasks.items()
        }
        parts = {"tasks": made, "subset": seen_rows(found["subset"], path.parent.parent / "answers", sides, some)}
        write_checked(kept, parts)
    tasks = dict(found["tasks"])
    for name, more in parts["tasks"].items():
        score = tasks[name]
        tasks[name] = score | {key: [*(score.get(key) or ()), *more[key]] for key in ("groups", "notes")}
    return found | {"tasks": tasks, "subset": [*found["subset"], *parts["subset"]]}


def _parts(recipe: Recipe, task: Task, score: TaskScore, answers: Path, sides: Sides) -> dict[str, list]:
    path = answers / task.file_name
    asked = {item.question_id for item in subset_of(task, recipe.evaluation.limit)}
    rows = [row for row in read_jsonl(path) if row["question_id"] in asked] if path.is_file() else []
    if len(rows) != score.n:
        raise UserError(
            f"{path} holds {len(rows):,} of the {score.n:,} answers that were scored, so that they cannot be split by "
            f"what is held out. Delete {path.parent}, and the same command asks again"
        )
    groups, notes = split_score(task, rows, sides)
    split = with_judges_beside(replace(score, groups=groups), task, answers, rows, sides)
    rules = {one.rule for one in score.scores}
    return {"groups": [asdict(one) for one in split.groups if one.rule in rules], "notes": notes}


def part_rows(row: dict, parts: Iterable[GroupScore]) -> list[dict]:
    """A task's row of metrics.jsonl as the rows of its parts."""
    keys = ("value", "low", "high", "n", "chance")
    return [row | {key: getattr(one, key) for key in keys} | {"metric": one.name, "primary": False} for one in parts]


def with_seen_rows(rows: list[dict], folder: Path, sides: dict[str, Sides]) -> list[dict]:
    """Rows of the subset that was asked while a stage trained, with those for seen and unseen categories.

    These are kept beside the answers in `folder`.
    """
    if not sides or not rows:
        return rows
    key = identity_of([rows, sorted((name, one.identity) for name, one in sides.items())])
    kept = folder / f"{FOLDER}-{key}.json"
    if (found := read_checked(kept)) is None:
        found = {"rows": seen_rows(rows, folder, sides, None)}
        write_checked(kept, found)
    return [*rows, *found["rows"]]


def seen_rows(
    rows: list[dict], folder: Path, sides: dict[str, Sides], asked: dict[str, set[int | str]] | None
) -> list[dict]:
    """Of the tasks' main rows those of their parts. `asked`: task -> questions that count; None: all in the folder."""
    found = []
    for row in rows:
        task = row["task"]
        if row["primary"] and task in sides:
            about = task_without_items(task)
            answers = read_jsonl(folder / about.file_name)
            own = [one for one in answers if asked is None or one["question_id"] in asked[task]]
            found += part_rows(row, split_score(about, own, sides[task])[0])
    return found


def note_sides(recipe: Recipe) -> None:
    """<run>/held_out.json, or none."""
    if sides := sides_of(recipe):
        write_sides(recipe.run_folder, sides)
    else:
        (recipe.run_folder / FILE).unlink(missing_ok=True)
