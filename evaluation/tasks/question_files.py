"""Question files in their published forms -> items. Every row is checked; a broken one is a UserError with its line."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from data_builders.benchmark_images import ImageFolder, fgbmk_images, frow_images
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl, safe_join

from ..scoring.rules.base import golds_of
from ..shared.texts import normalise
from .task import Item, Task
from .task_files import TaskSpec, key_name, make_task

FGBMK_KEYS = {"question_id": (int, str), "image": (str,), "text": (str,), "class": (str,)}
FROW_KEYS = {"image": (str,), "name": (str,), "question": (str,), "ref_answer": (str,)}
QUESTION_KEYS = {"question_id": (int, str), "image": (str, type(None)), "question": (str,), "answer": (str, list)}
UNFINISHED = ".building.json"  # what a builder leaves in a folder until it is whole
TEXT_KEYS = {"id": (int, str), "text": (str,)}


def checked_rows(path: Path, keys: dict[str, tuple[type, ...]]) -> Iterable[tuple[int, dict]]:
    """(number of the row, row), each with the given keys of the given types; UserError otherwise."""
    number = 0
    for number, row in enumerate(read_jsonl(path, whole_characters=True), 1):
        for key, types in keys.items():
            if key not in row:
                raise UserError(
                    f"{path}, row {number}: no {key!r}; the row has {', '.join(map(repr, row)) or 'nothing'}"
                )
            if not isinstance(row[key], types) or isinstance(row[key], bool):
                raise UserError(
                    f"{path}, row {number}: {key} is {json.dumps(row[key])[:80]}, a {type(row[key]).__name__}"
                )
        yield number, row
    if number == 0:
        raise UserError(f"{path} holds no questions")


def quoted_options(question: str) -> tuple[str, ...]:
    """The options of an FG-BMK choice question, in order, usually double-quoted; none for other questions."""
    _, found, listed = question.partition("following list:")
    if not found:
        return ()
    # attributes' values may stand without quotes, up to the end of the sentence
    return tuple(re.findall(r'"([^"]*)"', listed)) or tuple(
        one.strip() for one in listed.split(". ")[0].strip().removesuffix(".").split(",") if one.strip()
    )


def image_folder(spec: TaskSpec, path: Path) -> ImageFolder:
    """Where the images of a question file lie. UserError for a data set of FG-BMK of which nothing is known."""
    images = (row["image"] for row in read_jsonl(path) if isinstance(row.get("image"), str))
    if spec.reader in ("fgbmk", "names"):
        return fgbmk_images(path, images)
    return frow_images(path, images) if spec.reader == "frow" else ImageFolder(path.parent)


def read_items(spec: TaskSpec, path: Path, fields: dict[str, str], root: Path | None = None) -> Task:
    """One question file as a task with all its items. `root`: where its images lie, if not where the spec says."""
    reader = READERS[spec.reader]
    images = image_folder(spec, path) if root is None else ImageFolder(root)
    if (path.parent / UNFINISHED).exists():
        raise UserError(f"{path.parent} is not built to the end; run the command again: {spec.build}")
    items = tuple(reader(path, images, spec.suffix, *([wanted_details(spec)] if spec.reader == "questions" else [])))
    seen: set[int | str] = set()
    for item in items:
        if item.question_id in seen:
            raise UserError(f"{path}: question_id {item.question_id!r} occurs twice")
        seen.add(item.question_id)
    names = all_names(items, path) if spec.reader == "names" else ()
    task = make_task(
        spec, fields, items=items, image_root=str(images.root.resolve()), source=path, names=names, notes=()
    )
    found = (uninformative(items, task.kind), incomplete(path, len(items)), without_gold(items), not_asked(path))
    notes = [note for note in found if note]
    return Task(**{**task.__dict__, "notes": tuple(notes)})


def all_names(items: tuple[Item, ...], path: Path) -> tuple[str, ...]:
    """The names that the file holds to be right, in their order. UserError: fewer than two, or a blank one."""
    names = sorted({item.gold for item in items if isinstance(item.gold, str)})
    if len(names) < 2 or not all(name.strip() for name in names):
        raise UserError(f"{path}: a list of names needs two at least and no blank one; it has {ascii(names)[:120]}")
    return tuple(names)


def without_gold(items: tuple[Item, ...]) -> str | None:
    """A note where published option lists lack the gold: only the released rule, which sees no list, can be met."""
    lacking = [item.question_id for item in items if item.options and not offers_gold(item.options, item.gold)]
    shown = ", ".join(ascii(one)[:40] for one in lacking[:3])
    return f"{len(lacking)} of {len(items)} option lists lack the gold (question {shown})" if lacking else None


def offers_gold(options: tuple[str, ...], gold: str | list[str]) -> bool:
    """Is the gold an option's text or the letter of one?"""
    letters = {chr(ord("A") + place) for place in range(len(options))}
    wanted = golds_of(gold)
    return bool(letters & set(wanted)) or bool(set(map(normalise, options)) & set(map(normalise, wanted)))


def wanted_details(spec: TaskSpec) -> tuple[str, ...]:
    """The keys that the spec needs of a question row beyond those that every item has."""
    keys = dict.fromkeys([*spec.groups, spec.mean_of, *spec.details])
    return tuple(key for key in keys if key not in ("", "category"))


def details_of(row: dict, keys: Iterable[str]) -> dict[str, object]:
    """The values of those keys that the row has, under their names."""
    found = {}
    for key in keys:
        value: object = row
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            found[key_name(key)] = value
    return found


def incomplete(path: Path, count: int) -> str | None:
    """A note where the manifest beside the question file says that the benchmark has more questions."""
    manifest = path.parent / "manifest.json"
    told = read_json(manifest) if path.name == "questions.jsonl" and manifest.exists() else None
    whole = told.get("official_questions") if isinstance(told, dict) else None
    if not isinstance(whole, int) or whole == count:
        return None
    return f"{count:,} of the benchmark's {whole:,} questions: not comparable with published scores"


def not_asked(path: Path) -> str | None:
    """A note where a training set's held-out rows are not all asked about."""
    manifest = path.parent / "manifest.json"
    told = read_json(manifest) if path.name == "heldout_questions.jsonl" and manifest.exists() else {}
    left = told.get("asked", {}).get("rows_without_question", 0)
    return f"{left:,} more held-out rows have long answers, which are not measured" if left else None


def read_fgbmk(path: Path, images: ImageFolder, suffix: str) -> Iterable[Item]:
    for number, row in checked_rows(path, FGBMK_KEYS):
        yield Item(
            question_id=row["question_id"],
            image=row["image"],
            image_path=image_path(images, row["image"], path, number),
            question=row["text"],
            prompt=row["text"] + suffix,
            gold=row["class"],
            category=str(row.get("category", "generic")),
            options=quoted_options(row["text"]),
        )


def read_frow(path: Path, images: ImageFolder, suffix: str) -> Iterable[Item]:
    # FROW's rows have no id; their place in the file is one, and nothing in the file may move anyway
    for number, row in checked_rows(path, FROW_KEYS):
        yield Item(
            question_id=number,
            image=row["image"],
            image_path=image_path(images, row["image"], path, number),
            question=row["question"],
            prompt=row["question"] + suffix,
            gold=row["ref_answer"],
            category=row["name"],
        )


def read_questions(path: Path, images: ImageFolder, suffix: str, details: Iterable[str] = ()) -> Iterable[Item]:
    for number, row in checked_rows(path, QUESTION_KEYS):
        gold = row["answer"]
        if isinstance(gold, list) and not (gold and all(isinstance(one, str) for one in gold)):
            raise UserError(
                f"{path}, row {number}: answer must be text or a list of texts, not {json.dumps(gold)[:80]}"
            )
        options = tuple(map(str, row.get("options") or ()))
        if options and not offers_gold(options, gold):
            raise UserError(
                f"{path}, row {number}: the options {ascii(options)[:200]} lack the answer {ascii(gold)[:80]}"
            )
        yield Item(
            question_id=row["question_id"],
            image=row["image"],
            image_path=image_path(images, row["image"], path, number) if row["image"] is not None else None,
            question=row["question"],
            prompt=row["question"] + suffix,
            gold=gold,
            category=str(row.get("category", "generic")),
            options=options,
            details=details_of(row, details),
        )


def read_text(path: Path, images: ImageFolder, suffix: str) -> Iterable[Item]:
    for number, row in checked_rows(path, TEXT_KEYS):
        if not row["text"].strip():
            raise UserError(f"{path}, row {number}: the text is empty")
        yield Item(row["id"], None, None, row["text"], row["text"], "", str(row.get("category", "text")))


READERS = {
    "fgbmk": read_fgbmk, "names": read_fgbmk, "frow": read_frow, "questions": read_questions, "text": read_text,
}  # fmt: skip


def image_path(images: ImageFolder, relative: str, path: Path, number: int) -> Path:
    try:
        return safe_join(images.root, images.spelt(relative))
    except UserError as error:
        raise UserError(f"{path}, row {number}: {error}") from None


def uninformative(items: tuple[Item, ...], kind: str) -> str | None:
    """A note where the questions can be answered without looking, as at CUB's class level."""
    golds = {normalise(item.gold) for item in items if isinstance(item.gold, str)}
    if kind == "choice" and len(golds) == 1:
        return f"the answer is always {next(iter(golds))!r}: this score says nothing about recognition"
    if kind == "true_false" and golds == {"yes", "no"}:
        words = {"yes": [], "no": []}
        for item in items:
            words[normalise(item.gold)].append(set(re.findall(r"\w+", item.question.lower())))
        giveaway = set.intersection(*words["yes"]) - set.union(*words["no"])
        if giveaway:
            word = sorted(giveaway)[0]
            return (
                f"solvable from the text (yes exactly where the question says {word!r}): says nothing about recognition"
            )
    return None
