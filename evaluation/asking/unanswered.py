"""Questions that got no answer: counted, named in unanswered.jsonl, asked again by the next start."""

from pathlib import Path

from .asked import Asked
from .disk import json_line, rows_on_disk, write_lines

FILE = "unanswered.jsonl"


def write_unanswered(out: Path, failures: list[tuple[Asked, str]]) -> None:
    """All questions without an answer and why; no file where there are none."""
    rows = [
        {"task": one.task.name, "question_id": one.item.question_id, "image": one.item.image, "reason": reason}
        for one, reason in failures
    ]
    if rows:
        write_lines(out / FILE, "".join(map(json_line, rows)))
    else:
        (out / FILE).unlink(missing_ok=True)


def read_unanswered(out: Path) -> list[dict]:
    """The questions of the last start in this folder that got no answer."""
    return list(rows_on_disk(Path(out) / FILE))


def note(missing: int, wanted: int) -> str:
    return f"{missing} of {wanted} questions unanswered and left out of the score; the same command asks them again"
