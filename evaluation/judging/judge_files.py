"""A judge's file: a row for every judged answer, with FROW's fields, so that FROW's own scripts can read it.

Rows without a verdict would stop those scripts, so they lie beside it in <name>.unjudged.jsonl, with the reason.
"""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl

from ..scoring.answer_formats import shortened
from .candidate import Candidate
from .verdict import Identity, Judgement, filed_scores

UNJUDGED = ".unjudged.jsonl"


def judge_folder(name: str) -> str:
    """A judge's name as a folder's: a model's may hold slashes."""
    return re.sub(r"[^\w.-]+", "_", name).strip(".") or "judge"


def unjudged_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".jsonl") + UNJUDGED)


def judged_row(one: Candidate, judge: Identity, judgement: Judgement, more: dict) -> dict:
    return {**about(one), "answer": one.answer, **judgement.fields(), **judge.fields(), **more}


def unjudged_row(one: Candidate, judge: Identity, reason: str) -> dict:
    return {**about(one), "answer": one.answer, "unjudged": reason, **judge.fields()}


def about(one: Candidate) -> dict:
    return {
        "question_id": one.question_id,
        "name": one.name,
        "question": one.question,
        "image": one.image,
        "ref_answer": one.reference,
    }


def write_judged(path: Path, rows: Iterable[dict], unjudged: Iterable[dict]) -> None:
    """Both files, whole; the one of the unjudged goes where there are none."""
    from ..asking.disk import json_line, write_lines

    aside, lines = unjudged_path(path), "".join(map(json_line, unjudged))
    # First the unjudged: were it to end here, a row would rather count twice, which is an error, than not at all.
    if lines:
        write_lines(aside, lines)
    write_lines(path, "".join(map(json_line, rows)))
    if not lines:
        aside.unlink(missing_ok=True)


def read_judged(path: Path) -> list[dict]:
    """All rows of a judge's file, then those of the file of unjudged ones beside it. UserError when broken."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no judge's file {path}")
    aside = unjudged_path(path)
    rows = [row for one in (path, aside) if one.exists() for row in read_jsonl(one)]
    if not rows:
        raise UserError(f"{path} holds no rows")
    return rows


def judge_name(path: Path, rows: dict[tuple, dict]) -> str:
    """The judge that the rows name; the file's name where they name none, or several."""
    names = {str(row["judge"]) for row in rows.values() if "judge" in row}
    return names.pop() if len(names) == 1 else path.name


def by_question(path: Path, rows: Iterable[dict], *, whole_path: bool = True) -> dict[tuple[str, str], dict]:
    """(image, question) -> row. UserError for a row without them or one that is there twice.

    Published judge files hold absolute image paths; without `whole_path` only the image's own name counts.
    """
    found: dict[tuple[str, str], dict] = {}
    for number, row in enumerate(rows, 1):
        image, question = row.get("image"), row.get("question")
        if not isinstance(image, str) or not isinstance(question, str):
            raise UserError(
                f"{path}, row {number}: image is {shortened(image)}, question {shortened(question)}; not texts"
            )
        key = (image if whole_path else PurePosixPath(image).name, question)
        if key in found:
            raise UserError(f"{path}, row {number}: image {shortened(image)} and its question are there already")
        found[key] = row
    return found


def has_absolute_images(rows: Iterable[dict]) -> bool:
    return any(str(row.get("image", "")).startswith("/") for row in rows)


def is_judged(row: dict) -> bool:
    try:
        filed_scores(row)
    except UserError:
        return False
    return True
