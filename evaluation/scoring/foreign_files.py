"""A file of answers from elsewhere as answer rows: under our questions' ids where the question file is given, else as
far as the rows themselves tell question and gold."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import sha256_file

from ..tasks.task import Item, Task
from .answer_formats import shortened
from .answered_questions import agrees, answered
from .foreign_answers import FAILED, FORMS, ForeignAnswer, foreign_answers, form_named

# as a note calls them
WRITERS = {
    "lmms_eval": "lmms-eval's samples",
    "mathvista": "MathVista's results",
    "vlmevalkit": "VLMEvalKit's predictions",
    "llava": "LLaVA's answers",
    "plain": "ids and answers",
}


@dataclass(frozen=True)
class ForeignFile:
    rows: list[dict]
    notes: list[str]


def read_foreign(task: Task, path: Path, rows: Iterable[dict], form: str) -> ForeignFile:
    """All rows, those of no known question under their own ids, and what is to be said of them. `form`: a key of FORMS,
    or auto. UserError for rows without an answer, and for what is no file of answers to the task."""
    rows = list(rows)
    form = form_named(rows[0]) if form == "auto" else form
    if missing := [key for key in FORMS[form] if key not in rows[0]]:
        raise UserError(
            f"{path}: no {', '.join(missing)} in its first row; it is none of {WRITERS[form]} (--from auto)"
        )
    found = foreign_answers(rows, form, path)
    if failed := [one.name for one in found if FAILED in one.answer]:
        raise UserError(
            f"{path}: {len(failed)} questions were never answered: VLMEvalKit's {FAILED!r} (the first is "
            f"{shortened(failed[0])}). Ask them again there, or give a question file without them"
        )
    if not task.items and task.kind == "open":
        raise UserError(f"{path}: its rows do not tell what FROW's do; give the question file: --questions FILE")
    if not task.items:
        return ForeignFile([told_row(task, one, path) for one in found], [f"read as {WRITERS[form]}"])
    if task.source is not None and sha256_file(path) == sha256_file(task.source):
        raise UserError(f"{path} is the question file itself, and holds no answers")
    way, items = answered(task.items, found)
    if not any(items):
        raise UserError(
            f"{path}: none of its {len(found)} rows is found in {task.source}, neither by id (the first is "
            f"{shortened(found[0].name)}, there {shortened(task.items[0].question_id)}) nor by question and gold: not "
            f"a file of task {task.name}"
        )
    if all(item is not None and one.answer == item.question for one, item in zip(found, items, strict=True)):
        raise UserError(f"{path} holds the questions of {task.source} and no answers")
    answers = [answer_row(task, one, item) for one, item in zip(found, items, strict=True)]
    return ForeignFile(answers, [f"read as {WRITERS[form]}, questions found by {way}"])


def answer_row(task: Task, one: ForeignAnswer, item: Item | None) -> dict:
    """The row as one of ours (see `asking.answer_rows`). Where it contradicts the item it keeps its own words, so that
    the reader of the file says so."""
    row = {"task": task.name, "question_id": one.name, "category": "generic"}
    if item is not None:
        row |= {"question_id": item.question_id, "image": item.image, "category": item.category}
    if item is not None and agrees(one, item):
        row |= {"question": item.question, "gold": item.gold}
    else:
        question, gold = (item.question, item.gold) if item else ("", "")
        row |= {"question": one.question or question, "gold": one.gold or gold}
    return {**row, "answer": one.answer, **one.more}


def told_row(task: Task, one: ForeignAnswer, path: Path) -> dict:
    """A row whose question file is not given. UserError where it does not tell question and gold."""
    missing = [name for name, value in (("question", one.question), ("gold answer", one.gold)) if value is None]
    if missing:
        raise UserError(
            f"{path}, row {one.number}: no {' and no '.join(missing)} beside the answer; give the question file: "
            "--questions FILE"
        )
    return {
        "task": task.name,
        "question_id": one.name,
        "category": one.category or "generic",
        "question": one.question,
        "gold": one.gold,
        "answer": one.answer,
        **({"image": one.image} if one.image else {}),
        **({"options": list(one.options)} if one.options else {}),
        **one.more,
    }
