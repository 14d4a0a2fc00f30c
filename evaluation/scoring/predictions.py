"""Predictions files read whole: FG-BMK's as published, FROW's answers, our answers.jsonl (see `answer_formats`), and
what other programs write (see `foreign_answers`).

Nothing is scored by halves: a missing, contradictory or foreign row is an error; an exact double is a counted note.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from data_builders.shared.errors import UserError
from data_builders.shared.thoughts import without_thoughts

from ..judging.judge_files import by_question, has_absolute_images
from ..tasks.question_files import read_items
from ..tasks.task import Item, Task
from ..tasks.task_files import spec_of
from .answer_formats import ALL, NAMED, form_of, forms_of, no_form, shortened, to_answer
from .answered_questions import same_gold, same_image
from .foreign_files import read_foreign
from .prediction_files import file_rows

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
    for row in file_rows(path):
        yield row
    if row is None:
        raise UserError(f"{path} holds no predictions")


def carries_scores(rows: Iterable[dict]) -> bool:
    """Is this a judge's file (FROW)? Its rows carry scores; single rows may lack them."""
    return any("Item_accuracy_score" in row or "Fact_accuracy_score" in row for row in rows)


class Answers:
    """The answer rows of a file, read and checked anew each time, so that a million of them never lie in memory.

    Reading to the end raises UserError for what is wrong with the file as a whole, and fills `notes` with what is to
    be said beside its score. With the task's items (from the question file) every row must answer one of them and none
    may be missing; without, missing rows cannot be seen, and a note says so.
    """

    def __init__(self, task: Task, path: Path, form: str = "auto"):
        self.task, self.path, self.notes = task, Path(path), []
        self.ids = ids_of(task)
        forms = [one for one in forms_of(task) if one in NAMED.get(form, ALL)]
        self.form = form_of(raw_rows(self.path), forms) if form in ("auto", *NAMED) else None
        self.foreign = None
        if self.form is None:
            first = next(raw_rows(self.path))
            if task.is_text or form in NAMED or form_of([first], ALL) is not None:
                raise no_form(self.path, first, task)
            self.foreign = read_foreign(task, self.path, raw_rows(self.path), form)

    def numbered(self) -> Iterator[tuple[int, dict]]:
        """(number, answer row under the item's own id) of every row, doubles included."""
        if self.foreign is not None:
            yield from enumerate((left_without_thoughts(dict(row)) for row in self.foreign.rows), 1)
            return
        for number, row in enumerate(raw_rows(self.path), 1):
            answer = left_without_thoughts(to_answer(row, self.form, number, self.path, self.task))
            if self.ids:
                key = answer["question_id"]
                if self.task.kind == "open" and key not in self.ids:
                    key = named_by_picture(answer["image"], answer["question"])
                answer["question_id"] = self.ids.get(key if self.task.kind == "open" else str(key), key)
            yield number, answer

    def __iter__(self) -> Iterator[dict]:
        task, items = self.task, {item.question_id: item for item in self.task.items}
        contents: dict[int | str, int] = {}
        torn, extra, not_yes_no = [], [], []
        other: dict[str, list] = {}
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
                elif why := difference(row, items[key]):
                    other.setdefault(why, []).append(key)
                else:
                    row["gold"] = items[key].gold  # as the rules expect it: a gold may be written "Yes" elsewhere
            elif task.kind == "true_false" and str(row["gold"]).strip().lower() not in ("yes", "no"):
                not_yes_no.append(key)
            elif task.kind == "choice":
                has_options = has_options or "following list:" in row["question"]
            yield row
        self.refuse(torn, "occurs with different contents; keep one row of each")
        self.refuse(extra, f"not in {task.source}: not a file of task {task.name}")
        for why, keys in other.items():
            self.refuse(keys, f"{why} in {task.source}: not a file of task {task.name}")
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
        self.notes += self.foreign.notes if self.foreign is not None else []
        if not items:
            self.notes.append("scored without the question file: missing rows would not be noticed")

    def refuse(self, ids: list, why: str) -> None:
        if ids:
            raise UserError(f"{self.path}: {named(ids)} {why}")


def ids_of(task: Task) -> dict[int | str, int | str]:
    """What a foreign row may call an item -> the item's id. Ids may be written as text: "3" is 3."""
    if task.kind == "open":
        # rows from elsewhere have no ids of ours
        found: dict[int | str, int | str] = {item.question_id: item.question_id for item in task.items}
        found |= {named_by_picture(item.image, item.question): item.question_id for item in task.items}
        return found | {f"{item.image} {item.question}": item.question_id for item in task.items}
    return {str(item.question_id): item.question_id for item in task.items}


def named_by_picture(image: str | None, question: str) -> str:
    """FROW's rows have no ids, and pictures lie in other folders elsewhere: picture's name and question are one."""
    return f"{PurePath(image or '').name} {question}"


def read_predictions(task: Task, path: Path, form: str = "auto") -> tuple[Answers, list[str]]:
    """The answer rows of a predictions file, and the list of what is to be noted about them once they were read to
    the end (see `Answers`). `form`: who has written it, as `score --from` calls it. UserError at once for a file that
    is of no known form."""
    answers = Answers(task, path, form)
    return answers, answers.notes


def left_without_thoughts(answer: dict) -> dict:
    """As `run` would have kept it: a model gets one score, wherever it was asked."""
    text, thoughts = without_thoughts(answer["answer"]) if isinstance(answer.get("answer"), str) else ("", 0)
    return {**answer, "answer": text, "thoughts": thoughts} if thoughts else answer


def content_of(row: dict) -> int:
    """The same number for rows that say the same."""
    gold = row.get("gold")
    whole = (row.get("answer"), tuple(gold) if isinstance(gold, list) else gold, row.get("question"))
    return hash((*whole, row.get("log_likelihood"), row.get("image")))


def difference(row: dict, item: Item) -> str:
    """How what the row answers differs from the item: in words, empty where it does not. Blanks at the ends, the
    task's suffix and a gold's case do not count."""
    asked = row.get("question", item.question).strip()
    if not (asked in (item.question.strip(), item.prompt.strip()) or asked.startswith(item.question.strip())):
        return "asks something else"
    if not same_gold(row.get("gold", item.gold), item):
        return f"has another gold ({shortened(row['gold'])}, not {shortened(item.gold)})"
    if row.get("image") is not None and not same_image(row["image"], item):
        return f"is about another image ({shortened(row['image'])}, not {shortened(item.image)})"
    return ""


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
