"""What a writer does. There are two: rules over the text's own sentences, and a model behind an endpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .subjects import Subject

DRAFTS = 10  # questions drafted for each category of a benchmark


@dataclass(frozen=True)
class Verdict:
    """Whether a draft may be asked, and why."""

    keep: bool
    reason: str


class Writer(Protocol):
    name: str  # goes into every row

    def introduction(self, subject: Subject, sample: int) -> str:
        """An introduction from the text, naming the category; another one for each sample."""

    def pairs(self, subject: Subject, sample: int) -> list[tuple[str, str]]:
        """Open questions with answers, best first; further ones for each sample, none when there are no more."""

    def questions(self, subject: Subject) -> list[str]:
        """About ten draft questions."""

    def verdicts(self, subject: Subject, questions: list[str]) -> list[Verdict]:
        """One for each question."""

    def reference(self, subject: Subject, question: str, image: Path | None) -> str:
        """The answer to be compared with, naming the category."""
