"""The answers that there are to judge: in a run's folders, or in files as FROW's own scripts write them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl
from data_builders.shared.thoughts import without_thoughts

from ..scoring.answer_formats import OURS, shortened
from ..tasks.load import load_tasks
from ..tasks.task import CONDITION, Item, Task
from ..tasks.task_files import task_without_items
from .candidate import Candidate

PATTERN = "frow__*.jsonl"


@dataclass(frozen=True)
class AnswerFile:
    """`total`: questions that the benchmark has, None where its file is not known."""

    path: Path
    task: Task
    candidates: tuple[Candidate, ...]
    total: int | None


def answer_files(paths: Iterable[Path]) -> list[Path]:
    """The files with FROW answers that `paths` mean: a file, a checkpoint's folder of answers, or a whole run."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_file():
            here = [path]
        elif path.is_dir():
            here = plain(path, PATTERN) or plain(path, f"*/{PATTERN}") or plain(path, f"answers/*/{PATTERN}")
        else:
            raise UserError(f"--answers {path}: no such file or folder")
        if not here:
            raise UserError(
                f"--answers {path}: no FROW answers there; looked for {PATTERN}, */{PATTERN} and answers/*/{PATTERN}. "
                "Ask the model first: python -m evaluation run --tasks frow ..."
            )
        found += [one for one in here if one not in found]
    return found


def plain(folder: Path, pattern: str) -> list[Path]:
    """The files, but for answers about perturbed pictures: what is measured there is a drop, not a score."""
    return [path for path in sorted(folder.glob(pattern)) if CONDITION not in path.name]


def frow_tasks(data: Sequence[Path]) -> dict[str, Task]:
    """FROW's tasks in the data folders by name; none without folders."""
    return {task.name: task for task in load_tasks(["frow"], list(data))} if data else {}


def read_answers(path: Path, tasks: dict[str, Task], task_name: str | None = None) -> AnswerFile:
    """The answers of one file. UserError, with file and row, for what is no answer to a question of FROW.

    `tasks`: with their questions, from the data folders. `task_name`: of a file whose rows do not name it.
    """
    rows = list(read_jsonl(path))
    if not rows:
        raise UserError(f"{path} holds no answers")
    task = task_of(path, rows, tasks, task_name)
    by_key = {(item.image, item.question): item for item in task.items}
    found: dict[tuple[str, str], Candidate] = {}
    for number, row in enumerate(rows, 1):
        place = f"{path}, row {number}"
        one = candidate(row, place, task, by_key)
        if found.setdefault(one.key, one) != one:
            raise UserError(f"{place}: image {shortened(one.image)} and its question have a different answer above")
    return AnswerFile(path, task, tuple(found.values()), len(task.items) or None)


def task_of(path: Path, rows: list[dict], tasks: dict[str, Task], task_name: str | None) -> Task:
    named = {row["task"] for row in rows if isinstance(row.get("task"), str)}
    if len(named) > 1:
        raise UserError(f"{path} holds answers to several tasks: {', '.join(sorted(named)[:4])}")
    if task_name and named and named != {task_name}:
        raise UserError(f"{path} holds answers to {named.pop()}, not to {task_name}")
    name = task_name or (named.pop() if named else None)
    if name is None:
        keys = {(row.get("image"), row.get("question")) for row in rows if isinstance(row.get("image"), str)}
        fitting = [one for one, task in tasks.items() if keys & {(item.image, item.question) for item in task.items}]
        if len(fitting) != 1:
            known = f"fits {' and '.join(fitting)}" if fitting else "asks no question of the data folders"
            raise UserError(f"{path} {known}; say which task it is: --task frow/cub, and --data DIR for its images")
        name = fitting[0]
    if not name.startswith("frow/"):
        raise UserError(f"{path} holds answers to {shortened(name)}; only FROW's answers are judged")
    if tasks and name not in tasks:
        raise UserError(f"{path}: no questions of {name} in the data folders; there are {', '.join(tasks)}")
    return tasks.get(name) or task_without_items(name)


def candidate(row: dict, place: str, task: Task, by_key: dict[tuple[str, str], Item]) -> Candidate:
    if all(key in row for key in OURS):
        values = {"name": row.get("category"), "reference": row["gold"]}
    else:
        # FROW's own answer files call the reference "reference", its question files "ref_answer"
        values = {"name": row.get("name"), "reference": row.get("ref_answer", row.get("reference"))}
    values |= {key: row.get(key) for key in ("image", "question", "answer")}
    for key, value in values.items():
        if not isinstance(value, str):
            wanted = "image, name, question, reference (or ref_answer) and answer, all texts"
            raise UserError(f"{place}: {key} is {shortened(value)}; an answer has {wanted}")
    item = by_key.get((values["image"], values["question"]))
    if by_key and item is None:
        raise UserError(f"{place}: this image and question are not in {task.source}: not an answer to {task.name}")
    if item is not None and item.gold != values["reference"]:
        raise UserError(f"{place}: the reference is another than in {task.source}: not an answer to this question")
    values["answer"], thoughts = without_thoughts(values["answer"])
    return Candidate(
        question_id=row.get("question_id", item.question_id if item else f"{values['image']} {values['question']}"),
        image_path=item.image_path if item else None,
        thoughts=thoughts or (stored if isinstance(stored := row.get("thoughts"), int) else 0),
        **values,
    )
