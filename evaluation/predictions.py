"""Predictions from elsewhere -> answer rows: FG-BMK's prediction files as published, FROW answers, our answers.jsonl.

Nothing is scored by halves: a missing, contradictory or foreign row is an error; an exact double is a counted note.
"""

from pathlib import Path

from data_builders.errors import UserError

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


def read_rows(path: Path) -> list[dict]:
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no predictions file {path}")
    rows = list(utf8_rows(path))
    if not rows:
        raise UserError(f"{path} holds no predictions")
    return rows


def is_judged(rows: list[dict]) -> bool:
    """Is this a judge's file (FROW)? Its rows carry scores; single rows may lack them."""
    return any("Item_accuracy_score" in row or "Fact_accuracy_score" in row for row in rows)


def form_of(path: Path, rows: list[dict], task: Task) -> tuple[str, ...]:
    """The form that the file has: the one whose keys are all in some row. UserError naming what is missing."""
    forms = (TEXT,) if task.is_text else (OURS, FROW) if task.kind == "open" else (OURS, FGBMK)
    for form in forms:
        if any(set(form) <= set(row) for row in rows):
            return form
    wanted = " or ".join("{" + ", ".join(form) + "}" for form in forms)
    raise UserError(f"{path}: rows of task {task.name} must have {wanted}; the first has {{{', '.join(rows[0])}}}")


def to_answer(row: dict, form: tuple[str, ...], number: int, path: Path, task: Task) -> dict:
    """One foreign row as an answer row (see `engine.answer_row`). UserError names file and row."""
    place = f"{path}, row {number}"
    missing = [key for key in form if key not in row]
    if missing:
        raise UserError(f"{place}: no {', '.join(map(repr, missing))}")
    if form in (OURS, TEXT):
        if row["task"] != task.name:
            raise UserError(f"{place}: an answer to task {row['task']!r}, not {task.name!r}")
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
    numbers = ("log_likelihood", "tokens") if form == TEXT else ()
    texts = () if form == TEXT else ("question", "answer")
    for key in texts:
        if not isinstance(answer[key], str):
            raise UserError(f"{place}: {key} is {answer[key]!r}, not text")
    for key in numbers:
        if not isinstance(answer[key], int | float) or isinstance(answer[key], bool):
            raise UserError(f"{place}: {key} is {answer[key]!r}, not a number")
    if not isinstance(answer["question_id"], int | str) or isinstance(answer["question_id"], bool):
        raise UserError(f"{place}: question_id is {answer['question_id']!r}, not a number or text")
    gold = answer.get("gold", "")
    if not isinstance(gold, str) and not (isinstance(gold, list) and gold and all(isinstance(g, str) for g in gold)):
        raise UserError(f"{place}: the gold answer is {gold!r}, not text")
    answer.setdefault("category", "generic")
    return answer


def read_predictions(task: Task, path: Path) -> tuple[list[dict], list[str]]:
    """The answer rows of a predictions file and what is to be noted about them.

    With the task's items (from the question file) every row must answer one of them and none may be missing; without,
    missing rows cannot be seen, and a note says so.
    """
    raw = read_rows(path)
    form = form_of(path, raw, task)
    rows = [to_answer(row, form, number, path, task) for number, row in enumerate(raw, 1)]
    rows, notes = without_doubles(rows, path)
    if task.items:
        return matched(task, rows, path), notes
    if task.kind == "true_false":
        wrong = [row["question_id"] for row in rows if str(row["gold"]).strip().lower() not in ("yes", "no")]
        if wrong:
            raise UserError(f"{path}: gold of {named(wrong)} is not yes or no: not a file of task {task.name}")
    if task.kind == "choice" and not any("following list:" in row["question"] for row in rows):
        raise UserError(f"{path}: no question lists its options: not a file of task {task.name}")
    return rows, [*notes, "scored without the question file: missing rows would not be noticed"]


def without_doubles(rows: list[dict], path: Path) -> tuple[list[dict], list[str]]:
    """Each question once. Equal doubles are dropped and counted; two different answers to one question are an error."""
    first: dict[int | str, dict] = {}
    doubles, torn = 0, []
    for row in rows:
        known = first.setdefault(row["question_id"], row)
        if known is row:
            continue
        same = all(known.get(key) == row.get(key) for key in ("answer", "gold", "question", "log_likelihood"))
        doubles += same
        torn += [] if same else [row["question_id"]]
    if torn:
        raise UserError(f"{path}: {named(torn)} occurs with different contents; keep one row of each")
    return list(first.values()), [f"{doubles} rows were exact doubles, counted once"] if doubles else []


def matched(task: Task, rows: list[dict], path: Path) -> list[dict]:
    """The rows with the items' own ids. UserError for rows that are missing, extra or about another question."""
    by_id = {item.question_id: item for item in task.items}
    if task.kind == "open":
        # rows from elsewhere have no ids of ours
        by_pair = {f"{item.image} {item.question}": item.question_id for item in task.items}
        rows = [{**row, "question_id": by_pair.get(row["question_id"], row["question_id"])} for row in rows]
    else:
        # ids written as text elsewhere: "3" is 3
        by_text = {str(key): key for key in by_id}
        rows = [{**row, "question_id": by_text.get(str(row["question_id"]), row["question_id"])} for row in rows]
    extra = [row["question_id"] for row in rows if row["question_id"] not in by_id]
    if extra:
        raise UserError(f"{path}: {named(extra)} not in {task.source}: not a file of task {task.name}")
    other = [row["question_id"] for row in rows if differs(row, by_id[row["question_id"]], task)]
    if other:
        raise UserError(f"{path}: {named(other)} asks something else in {task.source}: not a file of task {task.name}")
    present = {row["question_id"] for row in rows}
    missing = [key for key in by_id if key not in present]
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of {len(by_id)} questions of {task.source} have no answer ({named(missing)}); "
            "a score over the rest would be another number. Ask them, or give a question file without them"
        )
    return rows


def differs(row: dict, item: Item, task: Task) -> bool:
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
    return f"question{'s' if len(ids) > 1 else ''} {', '.join(repr(one) for one in ids[:SHOWN])}{more}"


def check_judged(task: Task, rows: list[dict], path: Path) -> list[str]:
    """Notes about a FROW judge's file against the question file (if the task has its items). UserError when foreign."""
    if task.kind != "open":
        raise UserError(f"{path} is a judge's file, which task {task.name} has not")
    if not task.items:
        return ["scored without the question file: missing rows would not be noticed"]
    known = {(item.image, item.question) for item in task.items}
    pairs = [(row.get("image"), row.get("question")) for row in rows]
    foreign = [number for number, pair in enumerate(pairs, 1) if pair not in known]
    if foreign:
        raise UserError(f"{path}, rows {foreign[:SHOWN]}: image and question are not in {task.source}")
    if len(set(pairs)) != len(pairs):
        raise UserError(f"{path}: {len(pairs) - len(set(pairs))} rows judge the same image and question again")
    missing = len(known) - len(set(pairs))
    return [f"{missing} of {len(known)} questions have no row in the judge's file and are left out"] if missing else []
