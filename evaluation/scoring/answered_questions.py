"""Which of our questions each answer from elsewhere answers.

Suites number questions in their own way and in their own order, so several ways to find them are tried: by id, by id
within a part of the benchmark, by picture and question, by number with question and gold, by question alone, by place.
The way is taken that finds most questions whose text and gold, where the row tells them, are those of ours.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import PurePath

from ..shared.texts import normalise
from ..tasks.task import Item
from .foreign_answers import LETTERS, ForeignAnswer
from .rules.base import golds_of

# What suites write before and after a question's own words.
BEFORE = re.compile(r"<image>|^.*?\nquestion:\s*", re.DOTALL)
AFTER = re.compile(r"\n\(?a[).]\s|\n(?:choices|options):|\n(?:please )?answer |\(unit: [^)]*\)\s*$", re.DOTALL)

Key = Callable[[object], Iterable[Hashable]]


def bare(question: str) -> str:
    """A question's own words: without hints, options and what is asked of the answer's form; blanks as one."""
    text = question.strip().lower()
    text = BEFORE.sub("", text, count=2) if text.startswith(("hint:", "<image>")) else text
    return " ".join(AFTER.split(text.strip(), maxsplit=1)[0].split())


def stem(image: str | None) -> str:
    return PurePath(image).stem.lower() if image else ""


def same_question(row: ForeignAnswer, item: Item) -> bool:
    """Does the row's question, where it tells one, ask what the item asks?"""
    if row.question is None:
        return True
    asked, ours = bare(row.question), bare(item.question)
    return asked == ours or asked.startswith(ours) or ours.startswith(asked)


def same_gold(gold: str | list[str] | None, item: Item) -> bool:
    """Is the gold, where there is one, the item's: but for case and marks, as the letter or number of an option, or one
    of several?"""
    if gold is None:
        return True
    ours = {normalise(one) for one in golds_of(item.gold)}
    for place, option in enumerate(item.options):
        if ours & {normalise(option), LETTERS[place % 26].lower()}:
            ours |= {normalise(option), LETTERS[place % 26].lower(), str(place)}
    return bool(ours & {normalise(one) for one in golds_of(gold)})


def same_image(image: str | None, item: Item) -> bool:
    """Pictures are called by path, name or stem; only their names count."""
    return not image or not item.image or stem(image) == stem(item.image)


def agrees(row: ForeignAnswer, item: Item) -> bool:
    return same_question(row, item) and same_gold(row.gold, item)


def of_gold(gold: str | list[str] | None) -> str:
    return "|".join(sorted(normalise(one) for one in golds_of(gold))) if gold is not None else ""


# what it is called in a note -> (keys of an item, keys of a row); the first of a row's keys that any item has counts
WAYS: dict[str, tuple[Key, Key]] = {
    "id": (lambda item: [str(item.question_id)], lambda row: row.ids),
    "part and id": (
        lambda item: [str(item.question_id)],
        lambda row: [f"{row.category}/{one}" for one in row.ids] if row.category else [],
    ),
    "picture and question": (
        lambda item: [(stem(item.image), bare(item.question))] if item.image else [],
        lambda row: [(stem(row.image), bare(row.question))] if row.image and row.question else [],
    ),
    "number, question and gold": (
        lambda item: [(str(item.question_id).rsplit("/", 1)[-1], bare(item.question), of_gold(item.gold))],
        lambda row: [(one, bare(row.question), of_gold(row.gold)) for one in row.ids] if row.question else [],
    ),
    "question and gold": (
        lambda item: [(bare(item.question), of_gold(item.gold))],
        lambda row: [(bare(row.question), of_gold(row.gold))] if row.question else [],
    ),
    "question": (lambda item: [bare(item.question)], lambda row: [bare(row.question)] if row.question else []),
}


def answered(items: Sequence[Item], rows: Sequence[ForeignAnswer]) -> tuple[str, list[Item | None]]:
    """(the way by which they were found, the item that each row answers or None)."""
    best, found, most = "id", [None] * len(rows), -1
    for way, (of_item, of_row) in WAYS.items():
        these = by_key(items, rows, of_item, of_row)
        right = sum(item is not None and agrees(row, item) for row, item in zip(rows, these, strict=True))
        if right > most:
            best, found, most = way, these, right
        if most == len(rows):
            return best, found
    these = by_place(items, rows)
    return ("place", these) if these is not None else (best, found)


def by_key(items: Sequence[Item], rows: Sequence[ForeignAnswer], of_item: Key, of_row: Key) -> list[Item | None]:
    """Rows and items with the same key, where it is one of each; or as many of each, and it does not matter which
    answers which: all are about one picture, or all answers are equal."""
    ours: dict[Hashable, list[Item]] = defaultdict(list)
    for item in items:
        for key in of_item(item):
            ours[key].append(item)
    theirs: dict[Hashable, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if (key := next((one for one in of_row(row) if one in ours), None)) is not None:
            theirs[key].append(place)
    found: list[Item | None] = [None] * len(rows)
    for key, places in theirs.items():
        same = ours[key]
        if len(same) == 1:
            for place in places:  # a double, or a contradiction: the reader of the file says which
                found[place] = same[0]
        elif len(same) == len(places) and (
            len({item.image for item in same}) == 1 or len({rows[place].answer for place in places}) == 1
        ):
            for place, item in zip(places, same, strict=True):
                found[place] = item
    return found


def by_place(items: Sequence[Item], rows: Sequence[ForeignAnswer]) -> list[Item | None] | None:
    """The items in their order, where each row tells a question or a gold, and all of them are those of the items."""
    if len(items) != len(rows) or any(row.question is None and row.gold is None for row in rows):
        return None
    return list(items) if all(agrees(row, item) for row, item in zip(rows, items, strict=True)) else None
