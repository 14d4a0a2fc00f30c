"""The review file: every draft on a line, and what a person decided about it.

Columns to fill in: `decision` (accept: ask this one; replace: do not ask it), `new_question` and `new_answer` (put in
place of the line's question and of its reference; either means accept). All others say what the builder did.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from ..naming import named_in
from ..shared.csv_tables import csv_rows
from ..shared.errors import UserError
from ..shared.files import atomic_write
from .drafts import Draft
from .subjects import Subject

COLUMNS = [
    "category",
    "draft",
    "question",
    "verdict",
    "reason",
    "chosen",
    "reference",
    "decision",
    "new_question",
    "new_answer",
]
NEEDED = ("category", "question", "decision", "new_question", "new_answer")
DECISIONS = ("", "accept", "replace")


@dataclass(frozen=True)
class Mark:
    """What somebody wrote on the line of one draft."""

    place: str  # file and line, for messages
    decision: str
    new_question: str = ""
    new_answer: str = ""

    @property
    def accepts(self) -> bool:
        return self.decision == "accept"


Marks = dict[str, dict[str, Mark]]  # category -> question -> mark


def read_marks(path: Path) -> Marks:
    """The filled-in lines; none without a file. UserError names a line that cannot be followed."""
    if not path.exists():
        return {}
    marks: Marks = {}
    for number, values in csv_rows(path, NEEDED):
        place = f"{path}, line {number}"
        decision = values["decision"].lower()
        if decision not in DECISIONS:
            raise UserError(f"{place}: decision is {values['decision']!r}; write accept, replace or nothing")
        new = values["new_question"], values["new_answer"]
        if any(new) and decision == "replace":
            raise UserError(f"{place}: replaced, and yet rewritten; new_question or new_answer means accept")
        if decision or any(new):
            mark = Mark(place, decision or "accept", *new)
            marks.setdefault(values["category"], {})[values["question"]] = mark
    return marks


def check_marks(marks: Marks, drafts: dict[str, list[Draft]], subjects: list[Subject]) -> None:
    """UserError for a mark on what is no draft (now), two accepted lines, a question that names its category."""
    known = {subject.category: subject for subject in subjects}
    for category, of_category in marks.items():
        first = next(iter(of_category.values()))
        if category not in known:
            raise UserError(f"{first.place}: there is no category {category!r}")
        questions = {draft.question for draft in drafts[category]}
        for question, mark in of_category.items():
            if question not in questions:
                raise UserError(
                    f"{mark.place}: {question!r} is no draft of {category!r} (now). Put a question of your own into "
                    "new_question of a line that is one"
                )
            asked = mark.new_question or question
            if mark.accepts and (name := named_in(asked, known[category].names)):
                raise UserError(f"{mark.place}: {asked!r} names the category ({name})")
        accepted = [mark.place for mark in of_category.values() if mark.accepts]
        if len(accepted) > 1:
            raise UserError(f"{accepted[0]} and {accepted[1]} both accept a question of {category!r}; keep one")


def marked(drafts: list[Draft], marks: dict[str, Mark]) -> list[Draft]:
    """The drafts as the marks leave them: the accepted one alone, or all but the replaced."""
    accepted = [one for one in drafts if one.question in marks and marks[one.question].accepts]
    if accepted:
        return [Draft(accepted[0].question, True, accepted[0].reason)]
    return [one for one in drafts if one.question not in marks]


def write_review(path: Path, drafts: dict[str, list[Draft]], chosen: dict[str, dict], marks: Marks) -> None:
    """`chosen`: category -> the draft asked (`question`) and its `reference`; categories without one have no entry."""
    with atomic_write(path) as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for category, listed in drafts.items():
            for number, draft in enumerate(listed, 1):
                mark = marks.get(category, {}).get(draft.question, Mark("", ""))
                is_it = chosen.get(category, {}).get("question") == draft.question
                table.writerow(
                    {
                        "category": category,
                        "draft": number,
                        "question": draft.question,
                        "verdict": "keep" if draft.keep else "drop",
                        "reason": draft.reason,
                        "chosen": "yes" if is_it else "",
                        "reference": chosen[category]["reference"] if is_it else "",
                        "decision": mark.decision,
                        "new_question": mark.new_question,
                        "new_answer": mark.new_answer,
                    }
                )
