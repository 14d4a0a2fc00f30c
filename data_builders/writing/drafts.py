"""A benchmark's questions: drafted for each category, judged by rules and by the writer, one drawn."""

from dataclasses import dataclass

from ..shared.seeding import address_hash
from .question_rules import fault
from .subjects import Subject
from .writer import Writer


@dataclass(frozen=True)
class Draft:
    question: str
    keep: bool
    reason: str


def drafted(subject: Subject, writer: Writer) -> list[Draft]:
    """All drafts, once each, in the order they were written. The writer judges only those that pass the rules."""
    questions = list(dict.fromkeys(writer.questions(subject)))
    faults = {question: fault(question, subject) for question in questions}
    good = [question for question in questions if faults[question] is None]
    verdicts = dict(zip(good, writer.verdicts(subject, good), strict=True))
    return [
        Draft(one, verdicts[one].keep, verdicts[one].reason)
        if one in verdicts
        else Draft(one, False, faults[one] or "")
        for one in questions
    ]


def drawn(subject: Subject, drafts: list[Draft], seed: int) -> str | None:
    """The category's question; it stays the same when another draft is refused. None when no draft may be asked."""
    kept = [draft.question for draft in drafts if draft.keep]
    return min(kept, key=lambda one: address_hash(seed, "frow", "question", subject.category, one), default=None)
