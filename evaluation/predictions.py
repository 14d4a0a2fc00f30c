"""Predictions from elsewhere -> answer rows: FG-BMK's prediction files as published, FROW answers, our answers.jsonl;
and our answers -> FG-BMK's form, for their scripts.

Nothing is scored by halves: a missing, contradictory or foreign row is an error; an exact double is a counted note.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from data_builders.errors import UserError
from data_builders.files import atomic_write

from .judging.files import by_question, has_absolute_images
from .readers import read_items, utf8_rows
from .task import Item, Task, spec_of

OURS = ("task", "question_id", "question", "gold", "answer")
TEXT = ("task", "question_id", "log_likelihood", "tokens")
FGBMK = ("question_id", "image", "prompt", "text", "class")
FROW = ("image", "name", "question", "ref_answer", "answer")
SHOWN = 5  # ids named in a message


def load_questions(name: str, path: Path) -> Task:
    """The task of that full name with the items of one question file, wherever it lies."""
    spec, fields = spec_of(name)
    if not Path(path).is_file():
        raise UserError(f"no question file {path}")
    return read_items(spec, Path(path), fields, root=Path(path).parent)


def raw_rows(path: Path) -> Iterator[dict]:
    """The rows of a predictions file one by one. UserError when there is no file, no row, or a broken line."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no predictions file {path}")
    row = None
    for row in utf8_rows(path):
        yield row
    if row is None:
        raise UserError(f"{path} holds no predictions")


def read_rows(path: Path) -> list[dict]:
    return list(raw_rows(path))


def is_judged(rows: Iterable[dict]) -> bool:
    """Is this a judge's file (FROW)? Its rows carry scores; single rows may lack them."""
    return any("Item_accuracy_score" in row or "Fact_accuracy_score" in row for row in rows)


def form_of(path: Path, rows: Iterable[dict], task: Task) -> tuple[str, ...]:
    """The form that the file has: the one whose keys are all in some row. UserError naming what is missing."""
    forms = (TEXT,) if task.is_text else (OURS, FROW) if task.kind == "open" else (OURS, FGBMK)
    first: dict = {}
    for row in rows:
        for form in forms:
            if all(key in row for key in form):
                return form
        first = first or row
    wanted = " or ".join("{" + ", ".join(form) + "}" for form in forms)
    raise UserError(f"{path}: rows of task {task.name} must have {wanted}; the first has {{{', '.join(first)}}}")


def to_answer(row: dict, form: tuple[str, ...], number: int, path: Path, task: Task) -> dict:
    """One foreign row as an answer row (see `engine.answer_row`). UserError names file and row."""
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
            "gold": row["ref_answer"],
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


class Answers:
    """The answer rows of a file, read and checked anew each time, so that a million of them never lie in memory.

    Reading to the end raises UserError for what is wrong with the file as a whole, and fills `notes` with what is to
    be said beside its score. With the task's items (from the question file) every row must answer one of them and none
    may be missing; without, missing rows cannot be seen, and a note says so.
    """

    def __init__(self, task: Task, path: Path):
        self.task, self.path, self.notes = task, Path(path), []
        self.form = form_of(self.path, raw_rows(self.path), task)
        self.ids = ids_of(task)

    def numbered(self) -> Iterator[tuple[int, dict]]:
        """(number, answer row under the item's own id) of every row, doubles included."""
        for number, row in enumerate(raw_rows(self.path), 1):
            answer = to_answer(row, self.form, number, self.path, self.task)
            if self.ids:
                key = answer["question_id"]
                answer["question_id"] = self.ids.get(key if self.task.kind == "open" else str(key), key)
            yield number, answer

    def __iter__(self) -> Iterator[dict]:
        task, items = self.task, {item.question_id: item for item in self.task.items}
        contents: dict[int | str, int] = {}
        torn, extra, other, not_yes_no = [], [], [], []
        doubles, has_options = 0, False
        for _, row in self.numbered():
            key, content = row["question_id"], content_of(row)
            if key in contents:
                doubles += contents[key] == content
                torn += [key] if contents[key] != content else []
                continue
            contents[key] = content
            if items:
                if key not in items:
                    extra.append(key)
                elif differs(row, items[key]):
                    other.append(key)
            elif task.kind == "true_false" and str(row["gold"]).strip().lower() not in ("yes", "no"):
                not_yes_no.append(key)
            elif task.kind == "choice":
                has_options = has_options or "following list:" in row["question"]
            yield row
        self.refuse(torn, "occurs with different contents; keep one row of each")
        self.refuse(extra, f"not in {task.source}: not a file of task {task.name}")
        self.refuse(other, f"asks something else in {task.source}: not a file of task {task.name}")
        if missing := [key for key in items if key not in contents]:
            raise UserError(
                f"{self.path}: {len(missing)} of {len(items)} questions of {task.source} have no answer "
                f"({named(missing)}); a score over the rest would be another number. Ask them, or give a question file "
                "without them"
            )
        self.refuse(not_yes_no, f"has a gold that is not yes or no: not a file of task {task.name}")
        if task.kind == "choice" and not items and not has_options:
            raise UserError(f"{self.path}: no question lists its options: not a file of task {task.name}")
        self.notes[:] = [f"{doubles} rows were exact doubles, counted once"] if doubles else []
        if not items:
            self.notes.append("scored without the question file: missing rows would not be noticed")

    def refuse(self, ids: list, why: str) -> None:
        if ids:
            raise UserError(f"{self.path}: {named(ids)} {why}")


def ids_of(task: Task) -> dict[str, int | str]:
    """What a foreign row may call an item -> the item's id. Ids may be written as text: "3" is 3."""
    if task.kind == "open":
        # rows from elsewhere have no ids of ours
        found: dict[str, int | str] = {item.question_id: item.question_id for item in task.items}
        return found | {f"{item.image} {item.question}": item.question_id for item in task.items}
    return {str(item.question_id): item.question_id for item in task.items}


def read_predictions(task: Task, path: Path) -> tuple[Answers, list[str]]:
    """The answer rows of a predictions file, and the list of what is to be noted about them once they were read to
    the end (see `Answers`). UserError at once for a file that is of no known form."""
    answers = Answers(task, path)
    return answers, answers.notes


def content_of(row: dict) -> int:
    """The same number for rows that say the same."""
    gold = row.get("gold")
    whole = (row.get("answer"), tuple(gold) if isinstance(gold, list) else gold, row.get("question"))
    return hash((*whole, row.get("log_likelihood"), row.get("image")))


def differs(row: dict, item: Item) -> bool:
    """Does the row answer another question than the item? Blanks at the ends and the task's suffix do not count."""
    asked = row.get("question", item.question).strip()
    same = asked in (item.question.strip(), item.prompt.strip()) or asked.startswith(item.question.strip())
    return (
        not same
        or row.get("gold", item.gold) != item.gold
        or (row.get("image") is not None and row["image"] != item.image)
    )


def named(ids: list) -> str:
    """A few ids for a message."""
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return f"question{'s' if len(ids) > 1 else ''} {', '.join(map(shortened, ids[:SHOWN]))}{more}"


def check_judged(task: Task, rows: list[dict], path: Path) -> list[str]:
    """Notes about a FROW judge's file against the question file (if the task has its items). UserError when foreign."""
    if task.kind != "open":
        raise UserError(f"{path} is a judge's file, which task {task.name} has not")
    if not task.items:
        return ["scored without the question file: missing rows would not be noticed"]
    whole = not has_absolute_images(rows)
    known = {(item.image if whole else PurePath(item.image or "").name, item.question) for item in task.items}
    found = by_question(path, rows, whole_path=whole)
    foreign = [number for number, pair in enumerate(found, 1) if pair not in known]
    if foreign:
        raise UserError(f"{path}, rows {foreign[:SHOWN]}: image and question are not in {task.source}")
    missing = len(known) - len(found)
    return [f"{missing} of {len(known)} questions have no row in the judge's file and are left out"] if missing else []


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
