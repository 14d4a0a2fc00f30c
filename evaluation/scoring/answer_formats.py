"""The forms that answers have on disk: ours, FG-BMK's prediction rows, FROW's; from theirs to ours and back.

Other programs' are `foreign_answers`.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import atomic_write

from ..tasks.task import Task

OURS = ("task", "question_id", "question", "gold", "answer")
TEXT = ("task", "question_id", "log_likelihood", "tokens")
FGBMK = ("question_id", "image", "prompt", "text", "class")
FROW = ("image", "name", "question", "ref_answer", "answer")
FROW_ANSWERS = ("image", "name", "question", "reference", "answer")  # as FROW's own answer files call it
Form = tuple[str, ...]
ALL = (OURS, TEXT, FGBMK, FROW, FROW_ANSWERS)
# as `score --from` calls them
NAMED: dict[str, tuple[Form, ...]] = {"ours": (OURS, TEXT), "fgbmk": (FGBMK,), "frow": (FROW, FROW_ANSWERS)}


def forms_of(task: Task) -> tuple[Form, ...]:
    """The forms that answers to the task may have, besides other programs'."""
    return (TEXT,) if task.is_text else (OURS, FROW, FROW_ANSWERS) if task.kind == "open" else (OURS, FGBMK)


def form_of(rows: Iterable[dict], forms: Iterable[Form]) -> Form | None:
    """The form that the file has: the one whose keys are all in some row; None where it is none of these."""
    forms = tuple(forms)
    return next((form for row in rows for form in forms if all(key in row for key in form)), None)


def no_form(path: Path, first: dict, task: Task) -> UserError:
    """What is missing."""
    wanted = " or ".join("{" + ", ".join(form) + "}" for form in forms_of(task))
    return UserError(f"{path}: rows of task {task.name} must have {wanted}; the first has {{{', '.join(first)}}}")


def to_answer(row: dict, form: tuple[str, ...], number: int, path: Path, task: Task) -> dict:
    """One foreign row as an answer row (see `asking.answer_rows`). UserError names file and row."""
    missing = [key for key in form if key not in row]
    if missing:
        raise UserError(f"{path}, row {number}: no {', '.join(map(repr, missing))}")
    if form in (OURS, TEXT):
        if row["task"] != task.name:
            raise UserError(f"{path}, row {number}: an answer to task {row['task']!r}, not {task.name!r}")
        answer = dict(row)
    elif form == FGBMK:
        answer = {
            "question_id": row["question_id"],
            "image": row["image"],
            "category": str(row.get("category", "generic")),
            "question": row["prompt"],
            "gold": row["class"],
            "answer": row["text"],
        }
    else:
        # FROW has no ids: image and question together are one
        answer = {
            "question_id": f"{row['image']} {row['question']}",
            "image": row["image"],
            "category": row["name"],
            "question": row["question"],
            "gold": row[form[3]],
            "answer": row["answer"],
        }
    answer.setdefault("category", "generic")
    check_values(answer, form, number, path)
    return answer


def check_values(answer: dict, form: tuple[str, ...], number: int, path: Path) -> None:
    """UserError for a value of another type than it must have."""
    if form == TEXT:
        if faults := [key for key in ("log_likelihood", "tokens") if not is_number(answer[key])]:
            raise wrong_type(answer, faults[0], "not a number", number, path)
    elif not isinstance(answer["question"], str) or not isinstance(answer["answer"], str):
        key = "answer" if isinstance(answer["question"], str) else "question"
        raise wrong_type(answer, key, "not text", number, path)
    key, image, gold = answer["question_id"], answer.get("image"), answer.get("gold", "")
    if not isinstance(key, str) and (not isinstance(key, int) or isinstance(key, bool)):
        raise wrong_type(answer, "question_id", "not a number or text", number, path)
    if image is not None and not isinstance(image, str):
        raise wrong_type(answer, "image", "not a path", number, path)
    if not isinstance(gold, str) and not (isinstance(gold, list) and gold and all(isinstance(g, str) for g in gold)):
        raise wrong_type(answer, "gold", "not text", number, path)
    if not isinstance(answer["category"], str):
        raise wrong_type(answer, "category", "not text", number, path)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def wrong_type(answer: dict, key: str, what: str, number: int, path: Path) -> UserError:
    return UserError(f"{path}, row {number}: {key} is {shortened(answer[key])}, {what}")


def shortened(value: object) -> str:
    """A value for a message: escaped, so that control characters do no harm in a terminal, and short."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def export_fgbmk(answers: Iterable[dict], path: Path) -> int:
    """Answer rows as FG-BMK's prediction file: exactly its fields, in its order; the number of rows. UserError for an
    answer that has several golds, which the form cannot hold."""
    count = 0
    with atomic_write(path) as file:
        for count, row in enumerate(answers, 1):  # noqa: B007 - the last number is the count
            # as ASCII: an answer may hold half a surrogate pair, which no UTF-8 file can
            file.write(json.dumps(fgbmk_row(row)) + "\n")
    return count


def fgbmk_row(row: dict) -> dict:
    if not isinstance(row.get("gold"), str):
        raise UserError(
            f"question {shortened(row['question_id'])} has {'several golds' if row.get('gold') else 'no gold'}, and "
            "FG-BMK's prediction files hold one; only tasks of fgbmk can be written in its form"
        )
    return {
        "question_id": row["question_id"],
        "image": row.get("image"),
        "prompt": row["question"],
        "text": row["answer"],
        "class": row["gold"],
        "category": row["category"],
    }
