"""Asks an Answerer every question of every task: grouped by image over all tasks, each distinct question once.

Answers lie in one file a task, `<out>/<task>.jsonl`, which grows by whole rows; a second start asks only what is
missing. An answer is reused only for the same weights, image bytes, prompt and generation settings.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data_builders.chance import address_hash
from data_builders.errors import UserError
from data_builders.files import atomic_write, open_image, sha256_file

from .judge import JUDGE
from .progress import progress
from .protocols import Answer, Answerer, ImageQuestions, Question
from .scores import TaskScore
from .scoring import judge_rows, score_answers
from .task import Item, Task

ENGINE_VERSION = 1  # raised whenever the same model would be asked in another way


@dataclass(frozen=True)
class Asked:
    """One item with everything that identifies its answer."""

    task: Task
    item: Item
    image_hash: str
    prompt_hash: str
    settings_hash: str

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.image_hash, self.prompt_hash, self.settings_hash


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@cache
def checked_image_hash(path: Path, size: int, modified_ns: int) -> str:
    """Content hash of an image that decodes; remembered per (path, size, time), as the same images are asked often."""
    open_image(path)
    return sha256_file(path)[:32]


def hash_images(tasks: list[Task]) -> dict[Path, str]:
    """The hash of every image of the items, each opened once. UserError names the first question without its image."""
    wanted: dict[Path, tuple[Task, Item]] = {}
    for task in tasks:
        for item in task.items:
            if item.image_path is not None:
                wanted.setdefault(item.image_path, (task, item))
    hashes = {}
    for path, (task, item) in wanted.items():
        try:
            found = path.stat()
            hashes[path] = checked_image_hash(path, found.st_size, found.st_mtime_ns)
        except (UserError, OSError) as error:
            reason = error if isinstance(error, UserError) else f"no image {path}"
            raise UserError(f"task {task.name}, question {item.question_id!r} ({task.source}): {reason}") from None
    return hashes


def subset_of(task: Task, size: int | None) -> tuple[Item, ...]:
    """A fixed part of the task's items, every category in its proportion; the same whatever the order of the file.

    Categories are taken in turn, largest remainder first, and within one the items with the smallest addressed hash.
    """
    if size is None or size >= len(task.items):
        return task.items
    by_category: dict[str, list[Item]] = {}
    for item in sorted(task.items, key=lambda one: address_hash("subset", task.name, one.question_id)):
        by_category.setdefault(stratum(item), []).append(item)
    # rank r of a category of n items stands at (r + a half) / n of it: the `size` smallest keep the proportions
    ranked = [
        ((rank + 0.5) / len(items), address_hash("subset", task.name, category), item.question_id)
        for category, items in by_category.items()
        for rank, item in enumerate(items)
    ]
    ranked.sort(key=lambda one: one[:2])
    chosen = {question_id for _, _, question_id in ranked[:size]}
    return tuple(item for item in task.items if item.question_id in chosen)


def stratum(item: Item) -> str:
    """The category; FG-BMK's "generic" says nothing, so the gold stands in for it."""
    return item.category if item.category != "generic" else str(item.gold).lower()


def identify(tasks: list[Task], answerer: Answerer) -> list[Asked]:
    hashes = hash_images(tasks)
    asked = []
    for task in tasks:
        settings = {"answerer": answerer.settings, "max_new_tokens": task.max_new_tokens, "engine": ENGINE_VERSION}
        if task.is_text:
            settings["measure"] = "log_likelihood"
        settings_hash = text_hash(json.dumps(settings, sort_keys=True, default=str))
        for item in task.items:
            image_hash = hashes[item.image_path] if item.image_path is not None else ""
            asked.append(Asked(task, item, image_hash, text_hash(item.prompt), settings_hash))
    return asked


def answer_row(asked: Asked, answerer: Answerer, answer: Answer | tuple[float, int]) -> dict:
    """One row of answers.jsonl. Plain text has no answer but a log-likelihood and a number of predicted tokens."""
    task, item = asked.task, asked.item
    row = {
        "task": task.name,
        "question_id": item.question_id,
        "image": item.image,
        "category": item.category,
        "question": item.question,
        "prompt": item.prompt,
        "gold": item.gold,
        **({"options": list(item.options)} if item.options else {}),
        "answer": answer.text if isinstance(answer, Answer) else "",
        "finished": answer.finished if isinstance(answer, Answer) else True,
    }
    if not isinstance(answer, Answer):
        row |= {"log_likelihood": float(answer[0]), "tokens": int(answer[1])}
    return row | {
        "model": answerer.name,
        "model_hash": answerer.model_hash,
        "image_hash": asked.image_hash,
        "prompt_hash": asked.prompt_hash,
        "settings_hash": asked.settings_hash,
    }


def rows_on_disk(path: Path) -> Iterator[dict]:
    """The whole rows of an answers file without a torn last line (a killed process). UserError for other damage."""
    if not path.exists():
        return
    content = path.read_bytes()
    lines = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError
        except ValueError:
            if number == len(lines):  # without its newline: torn
                return
            raise UserError(f"{path}, line {number}: not an answer row; move the file away to ask again") from None
        yield row


def json_line(row: dict) -> str:
    """One row with its newline, always valid UTF-8: half a surrogate pair in a text is written as an escape."""
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(row)
    return line + "\n"


def identity_of(row: dict) -> tuple:
    """What the answer of a row is an answer to, apart from the model; see `Asked.identity`."""
    return row.get("image_hash"), row.get("prompt_hash"), row.get("settings_hash")


def still_valid(row: dict, asked: Asked, answerer: Answerer) -> bool:
    """Does this row answer exactly this question, of this model, about this image, asked in this way?"""
    try:
        same = (row["model_hash"], *identity_of(row)) == (answerer.model_hash, *asked.identity)
        return same and read_answer(row, asked.task) is not None
    except (KeyError, TypeError, ValueError):
        return False


def read_answer(row: dict, task: Task) -> Answer | tuple[float, int]:
    """What the model gave, from its row."""
    if task.is_text:
        return float(row["log_likelihood"]), int(row["tokens"])
    return Answer(str(row["answer"]), bool(row["finished"]))


def ask(
    answerer: Answerer, tasks: list[Task], out: Path, *, subset: int | None = None, batch_size: int = 64
) -> dict[str, list[dict]]:
    """Ask what is not yet answered; return every task's answer rows in the order of its items.

    `subset`: only that many items a task, always the same ones. `batch_size`: questions handed over at once; a kill
    costs at most these. Raises UserError for an image that is missing or broken before anything is asked.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    wanted = identify([with_items(task, subset_of(task, subset)) for task in tasks], answerer)
    everything = {(task.name, item.question_id) for task in tasks for item in task.items}
    answers = reuse(answerer, tasks, wanted, everything, out)
    open_items = [one for one in wanted if (one.task.name, one.item.question_id) not in answers]
    if open_items:
        with progress(f"asking {len(tasks)} tasks", len(open_items), "questions") as advance:
            known = {identity_of(row): row for row in answers.values()}
            for batch in batches(open_items, batch_size):
                for row in ask_batch(answerer, batch, known, out):
                    answers[row["task"], row["question_id"]] = known[identity_of(row)] = row
                advance(len(batch))
    by_task: dict[str, list[dict]] = {task.name: [] for task in tasks}
    for (name, _), row in answers.items():
        by_task[name].append(row)
    return {task.name: publish(out / task.file_name, task, by_task[task.name], wanted) for task in tasks}


def with_items(task: Task, items: tuple[Item, ...]) -> Task:
    return Task(**{**task.__dict__, "items": items})


def reuse(
    answerer: Answerer, tasks: list[Task], wanted: list[Asked], everything: set, out: Path
) -> dict[tuple[str, int | str], dict]:
    """The answers on disk that still hold, and a file for each task that holds nothing else."""
    by_key = {(one.task.name, one.item.question_id): one for one in wanted}
    answers: dict[tuple[str, int | str], dict] = {}
    stale = 0
    for task in tasks:
        path = out / task.file_name
        kept, seen = [], set()
        for row in rows_on_disk(path):
            key = (task.name, row.get("question_id"))
            asked = by_key.get(key)
            if row.get("task") != task.name or key not in everything or key in seen:
                stale += 1
            elif asked is None and row.get("model_hash") == answerer.model_hash:
                kept.append(row)  # outside this subset; the full evaluation decides about it
                seen.add(key)
            elif asked is not None and still_valid(row, asked, answerer):
                # the question file may have a new gold or category since; the answer to the same prompt still holds
                kept.append(answer_row(asked, answerer, read_answer(row, task)))
                seen.add(key)
            else:
                stale += 1
        lines = "".join(json_line(row) for row in kept)
        if path.exists() and path.read_bytes() != lines.encode():
            write_lines(path, lines)
        answers |= {(task.name, row["question_id"]): row for row in kept}
    if stale:
        print(f"{out}: {stale} answers are of another model, image, prompt or setting; asked again", file=sys.stderr)
    return answers


def batches(open_items: list[Asked], batch_size: int) -> Iterator[list[Asked]]:
    """Items with all questions of an image together, alike images (longest first) in one batch."""
    groups: dict[tuple[bool, str], list[Asked]] = {}
    for one in open_items:
        # plain text is scored, not asked: it never shares a batch with questions
        image = one.image_hash or f"{one.task.name}/{one.item.question_id}"
        groups.setdefault((one.task.is_text, image), []).append(one)

    def length(group: list[Asked]) -> tuple:
        return (
            group[0].task.is_text,
            -max(o.task.max_new_tokens for o in group),
            -sum(len(o.item.prompt) for o in group),
        )

    batch: list[Asked] = []
    for group in sorted(groups.values(), key=length):
        if batch and (len(batch) + len(group) > batch_size or batch[0].task.is_text != group[0].task.is_text):
            yield batch
            batch = []
        batch = batch + group
    if batch:
        yield batch


def ask_batch(answerer: Answerer, batch: list[Asked], known: dict[tuple, dict], out: Path) -> list[dict]:
    """Ask one batch, append its rows to their files, return them.

    Equal questions of several tasks are asked once, and not at all where `known` has their answer.
    """
    open_ones = {one.identity: one for one in batch if one.identity not in known}
    if batch[0].task.is_text:
        given = dict(zip(open_ones, measure_texts(answerer, list(open_ones.values())), strict=True))
    else:
        given = ask_images(answerer, list(open_ones.values()))
    rows = []
    for one in batch:
        answer = given[one.identity] if one.identity in given else read_answer(known[one.identity], one.task)
        rows.append(answer_row(one, answerer, answer))
    append(rows, batch, out)
    return rows


def measure_texts(answerer: Answerer, texts: list[Asked]) -> list[tuple[float, int]]:
    measured = answerer.text_log_likelihood([one.item.prompt for one in texts]) if texts else []
    check_count(answerer, len(measured), len(texts))
    return measured


def ask_images(answerer: Answerer, questions: list[Asked]) -> dict[tuple, Answer]:
    """Distinct questions, grouped by image -> the answer to each identity."""
    images: dict[str, list[Asked]] = {}
    for one in questions:
        images.setdefault(one.image_hash, []).append(one)
    groups = [
        ImageQuestions(
            group[0].item.image_path, tuple(Question(one.item.prompt, one.task.max_new_tokens) for one in group)
        )
        for group in images.values()
    ]
    replies = answerer.answer(groups) if groups else []
    check_count(answerer, len(replies), len(groups))
    given: dict[tuple, Answer] = {}
    for group, reply in zip(images.values(), replies, strict=True):
        check_count(answerer, len(reply), len(group))
        given.update(zip([one.identity for one in group], reply, strict=True))
    return given


def check_count(answerer: Answerer, got: int, wanted: int) -> None:
    if got != wanted:
        raise RuntimeError(f"{answerer.name} gave {got} answers to {wanted} questions")


def append(rows: list[dict], batch: list[Asked], out: Path) -> None:
    """Append whole rows, one write a file, and flush them to the disk."""
    lines: dict[str, list[str]] = {}
    for row, one in zip(rows, batch, strict=True):
        lines.setdefault(one.task.file_name, []).append(json_line(row))
    for name, texts in lines.items():
        with open(out / name, "ab") as file:
            file.write("".join(texts).encode())
            file.flush()
            os.fsync(file.fileno())


def write_lines(path: Path, lines: str) -> None:
    with atomic_write(path, "wb") as file:
        file.write(lines.encode())


def publish(path: Path, task: Task, rows: list[dict], wanted: list[Asked]) -> list[dict]:
    """Put the file's rows into the order of the task's items (so that resumed = uninterrupted); return those wanted."""
    order = {item.question_id: place for place, item in enumerate(task.items)}
    rows = sorted(rows, key=lambda row: order[row["question_id"]])
    lines = "".join(json_line(row) for row in rows)
    if not path.exists() or path.read_bytes() != lines.encode():
        write_lines(path, lines)
    chosen = {one.item.question_id for one in wanted if one.task.name == task.name}
    return [row for row in rows if row["question_id"] in chosen]


def evaluate(
    answerer: Answerer, tasks: list[Task], out: Path, subset: int | None = None, batch_size: int = 64
) -> dict[str, TaskScore]:
    """Ask (see `ask`) and score: task name -> TaskScore. The judge's reasons lie in <out>/judged/<task>.jsonl."""
    answers = ask(answerer, tasks, out, subset=subset, batch_size=batch_size)
    for task in tasks:
        if JUDGE in task.rules:
            judged = judge_rows(task, answers[task.name])
            write_lines(Path(out) / "judged" / task.file_name, "".join(map(json_line, judged)))
    return {task.name: score_answers(task, answers[task.name]) for task in tasks}
