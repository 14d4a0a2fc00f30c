"""The rules that every question must pass, whoever wrote it."""

import re
from collections.abc import Iterable
from pathlib import Path

from ..naming import Asked, named_in, words
from ..shared.errors import UserError
from ..shared.files import read_jsonl
from .benchmark_files import question_files
from .subjects import Subject

YES_NO = re.compile(
    r"^(is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might)\b", re.IGNORECASE
)
# "Can you tell me ..." is answered with more than yes.
POLITE = re.compile(r"^(can|could|would|will) you\b", re.IGNORECASE)
FEWEST_WORDS, MOST_WORDS = 3, 45
# The data sets that FROW has questions about: a training set from them must be compared with it.
IN_FROW = ("cub", "aircraft", "dogs", "flowers102", "food101", "vegfru")
NO_FROW = "none"


def fault(question: str, subject: Subject) -> str | None:
    """Why the question cannot be used; None when it can."""
    if not question.endswith("?"):
        return "no question mark at the end"
    if not FEWEST_WORDS <= len(words(question)) <= MOST_WORDS:
        return f"{len(words(question))} words; {FEWEST_WORDS} to {MOST_WORDS} are allowed"
    if not question[0].isalnum() and question[0] not in "\"'“‘":
        return f"begins with {question[0]!r}"
    if name := named_in(question, subject.names):
        return f"names the category ({name})"
    if YES_NO.search(question) and not POLITE.search(question):
        return "yes or no answers it"
    return None


def frow_questions(folder: str | None, sources: Iterable[str]) -> Asked:
    """The benchmark's questions in a folder. UserError when there are none, or none were named where there must be."""
    if folder is None:
        if known := [name for name in sources if name in IN_FROW]:
            raise UserError(
                f"FROW asks about {', '.join(known)}: add --frow DIR, the folder with FROW's *_with_reference.jsonl, "
                f"so that none of its questions is trained on (or say --frow {NO_FROW})"
            )
        return Asked()
    if folder == NO_FROW:
        return Asked()
    root = Path(folder)
    files = question_files(root)
    if not files:
        raise UserError(f"{root} holds no *_with_reference.jsonl; --frow names FROW's folder, or says {NO_FROW}")
    found = []
    for path in files:
        for number, row in enumerate(read_jsonl(path), 1):
            if not isinstance(row.get("question"), str):
                raise UserError(f"{path}, line {number}: no question")
            found.append(row["question"])
    return Asked(found)
