"""Rows that are asked about instead of learnt from: what a model forgets of conversations can then be measured.

They are parted by picture: no row that shows a held-out picture, or one of equal bytes under another name, is learnt
from. Asked is a row's first question (of independent ones each) that is about one picture and has a short answer, which
can be compared word for word; what else is said about those pictures is counted.
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..leakage.identical import identical
from ..leakage.image_files import Files
from ..records import IMAGE_PLACEHOLDER, images_of, is_preference
from ..shared.files import write_jsonl
from ..shared.seeding import address_hash

QUESTIONS, PICTURES = "heldout_questions.jsonl", "heldout"  # in the set's folder: the questions, and their pictures
ONE_IN = 10  # pictures, at most
SHORT_WORDS, SHORT_CHARACTERS = 4, 40  # "a single word or phrase", as LLaVA's short answers are asked for


@dataclass
class HeldOut:
    """The pictures, and what is found about them while the rows go by."""

    pictures: frozenset[str]
    questions: list[dict] = field(default_factory=list)
    rows: int = 0  # that show one of the pictures
    without_question: int = 0  # of those rows

    def rows_to_learn(self, rows: Iterable[dict]) -> Iterator[dict]:
        """Those without a held-out picture; the others become questions."""
        for row in rows:
            if self.pictures.isdisjoint(images_of(row)):
                yield row
                continue
            found = list(short_questions(row))
            self.rows += 1
            self.without_question += not found
            self.questions += found

    def write(self, out: Path, image_root: Path) -> None:
        """The questions, with copies of their pictures. Nothing is left of an earlier build."""
        shutil.rmtree(out / PICTURES, ignore_errors=True)
        (out / QUESTIONS).unlink(missing_ok=True)
        for image in sorted({question["image"] for question in self.questions}):
            place = out / PICTURES / image
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image_root / image, place)
        if self.questions:
            asked = ({**question, "image": f"{PICTURES}/{question['image']}"} for question in self.questions)
            write_jsonl(out / QUESTIONS, asked)

    def told(self) -> dict[str, int]:
        return {
            "pictures": len(self.pictures),
            "rows": self.rows,
            "questions": len(self.questions),
            "rows_without_question": self.without_question,
        }


def hold_out(rows: Iterable[dict], image_root: Path, most: int) -> HeldOut:
    """`most` pictures with a short answer, a tenth of all at most, drawn by their names: more rows move few."""
    pictures: dict[str, bool] = {}  # -> can it be asked about?
    for row in rows:
        asked = next(short_questions(row), None) is not None
        for image in images_of(row):
            pictures[image] = pictures.get(image, False) or asked
    first = equal_to_first(list(pictures), image_root)
    asked_about = {first[name] for name, asked in pictures.items() if asked}
    drawn = sorted(asked_about, key=lambda name: address_hash("held out", name))
    chosen = set(drawn[: min(most, len(set(first.values())) // ONE_IN)])
    return HeldOut(frozenset(name for name in pictures if first[name] in chosen))


def equal_to_first(names: list[str], image_root: Path) -> dict[str, str]:
    """Picture -> itself, or the first of those of equal bytes."""
    with Files(str(image_root / name) for name in names) as files:
        groups = identical(files, np.arange(len(names)))
    first = dict(zip(names, names, strict=True))
    for group in groups:
        equal = [names[index] for index in group]
        first |= dict.fromkeys(equal, min(equal))
    return first


def short_questions(row: dict) -> Iterator[dict]:
    """What can be asked about the row's one picture, as rows of a question file."""
    turns = row["conversations"]
    if not isinstance(row.get("image"), str) or is_preference(row):
        return
    pairs = list(zip(turns[::2], turns[1::2], strict=False))
    for number, (asked, answered) in enumerate(pairs if row.get("turns") == "independent" else pairs[:1], 1):
        question, answer = asked["value"].replace(IMAGE_PLACEHOLDER, "").strip(), answered["value"].strip()
        if question and is_short(answer) and (asked["from"], answered["from"]) == ("human", "gpt"):
            yield {
                "question_id": f"{row['id']}/{number}" if row.get("turns") == "independent" else row["id"],
                "image": row["image"],
                "question": question,
                "answer": answer,
                "category": str(row.get("category", "general")),
            }


def is_short(answer: str) -> bool:
    return 0 < len(answer) <= SHORT_CHARACTERS and "\n" not in answer and len(answer.split()) <= SHORT_WORDS
