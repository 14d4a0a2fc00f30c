"""MathVista testmini: mathematics in pictures, free-form or multiple-choice.

The model is asked what MathVista calls the query: a hint about the form of the answer, the question with its unit, the
choices with letters. It is taken from the files where they have it, and built by the same rule where they do not (the
rule as in the repository's data/query.json: hint, question, choices, each on lines of its own).
"""

from collections.abc import Iterator
from pathlib import Path

from ..shared.errors import UserError
from ..shared.files import read_json
from ..sources import About
from .benchmark import Asked, Benchmark, Official, Reading, Request, mapping_of, text_of, texts_of
from .originals import PictureFolder, first_file
from .parquet import count_rows, embedded, find_shards, read_rows, told_patterns

SPLIT = "testmini"
FILES = ("data/testmini.json", "testmini.json")
PARQUET_FOLDERS = ("data", "", "default")
COLUMNS = ("pid", "question", "decoded_image", "choices", "answer", "question_type", "answer_type", "metadata")
EXAMPLES = {
    ("integer", None): ("an integer answer", "value", "1, 2, 3"),
    ("float", 1): ("a floating-point number with one decimal place", "value", "1.2, 1.3, 1.4"),
    ("float", 2): ("a floating-point number with two decimal places", "value", "1.23, 1.34, 1.45"),
    ("list", None): ("a Python list as an answer", "list", "[1, 2, 3], [1.2, 1.3, 1.4]"),
}


def hint_of(question_type: str, answer_type: str, precision: int | None, place: str) -> str:
    """What the query says of the answer's form."""
    if question_type == "multi_choice":
        return "Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the end."
    asked = EXAMPLES.get((answer_type, precision if answer_type == "float" else None))
    if question_type != "free_form" or asked is None:
        raise UserError(
            f"{place}: question_type {question_type!r}, answer_type {answer_type!r}, precision {precision!r}; "
            "MathVista has multi_choice, and free_form with integer, list or float of precision 1 or 2"
        )
    kind, what, examples = asked
    return (
        f"Hint: Please answer the question requiring {kind} and provide the final {what}, e.g., {examples}, at the end."
    )


def query_of(hint: str, question: str, unit: str | None, choices: list[str]) -> str:
    lines = [hint, f"Question: {question}" + (f" (Unit: {unit})" if unit else "")]
    if choices:
        lines += ["Choices:", *(f"({chr(ord('A') + i)}) {choice}" for i, choice in enumerate(choices))]
    return "\n".join(lines)


def row_of(row: dict, query: str | None, place: str) -> dict:
    """All that the official rule needs: types, precision, choices, and the groups that it reports by."""
    question, unit = text_of(row, "question", place), row.get("unit") or None
    choices = texts_of(row, "choices", place)
    question_type, answer_type = text_of(row, "question_type", place), text_of(row, "answer_type", place)
    precision = precision_of(row.get("precision"), place)
    answer, metadata = text_of(row, "answer", place), mapping_of(row.get("metadata"), f"{place}, metadata")
    if question_type == "multi_choice" and answer not in choices:
        raise UserError(f"{place}: the answer {answer!r} is none of the choices {choices}")
    hint = hint_of(question_type, answer_type, precision, place)
    pid = text_of(row, "pid", place)
    return {
        "question_id": pid,
        "question": query or query_of(hint, question, unit, choices),
        "answer": answer,
        "category": text_of(metadata, "task", f"{place}, metadata"),
        "options": choices,
        "split": SPLIT,
        "pid": pid,
        "parts": {"hint": hint, "question": question},
        "question_type": question_type,
        "answer_type": answer_type,
        "precision": precision,
        "unit": unit,
        "choices": choices or None,
        "metadata": dict(sorted(metadata.items())),
    }


def precision_of(value: object, place: str) -> int | None:
    """Decimal places; parquet has them as 1.0."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        return int(value)
    raise UserError(f"{place}: precision is {value!r}; it must be a whole number or null")


def looked_for(split: str) -> list[str]:
    return [*FILES, *told_patterns(PARQUET_FOLDERS, SPLIT)]


def original(request: Request) -> Reading | None:
    path = first_file(request.root, FILES)
    if path is None:
        return None
    problems = mapping_of(read_json(path), str(path))
    beside = path.parent / "query.json"
    queries = mapping_of(read_json(beside), str(beside)) if beside.exists() else {}
    return Reading("original", (path,), len(problems), read_original(request, path, problems, queries))


def read_original(request: Request, path: Path, problems: dict, queries: dict) -> Iterator[Asked]:
    beside = path.parent.relative_to(request.root).as_posix()
    folder = PictureFolder(request, [f"{beside}/images", "images"], "MathVista")
    for pid, row in problems.items():
        place = f"{path}, problem {pid}"
        mapping_of(row, place)
        # "images/1.jpg", in the folder images wherever that was unpacked
        name = text_of(row, "image", place).removeprefix("images/")
        yield Asked(row_of({"pid": pid, **row}, queries.get(pid), place), folder.picture(name, place), place)


def parquet(request: Request) -> Reading | None:
    files = find_shards(request.root, PARQUET_FOLDERS, SPLIT, allow_partial=request.allow_partial)
    if not files:
        return None
    return Reading("parquet", tuple(files), count_rows(files), read_parquet(files))


def read_parquet(files: list[Path]) -> Iterator[Asked]:
    for place, row in read_rows(files, COLUMNS, ("unit", "precision", "query", "image")):
        name = row.get("image")
        name = name.removeprefix("images/") if isinstance(name, str) else None
        yield Asked(row_of(row, row.get("query"), place), embedded(row, "decoded_image", place, name), place)


BENCHMARK = Benchmark(
    name="mathvista",
    about=About(
        "MathVista",
        "https://github.com/lupantech/MathVista (original: data/testmini.json, with the images of the hub's "
        "images.zip) or huggingface.co/datasets/AI4Math/MathVista (parquet)",
        "data/testmini.json and data/images/, or data/testmini-*.parquet",
    ),
    splits={SPLIT: Official(1000)},
    original=original,
    parquet=parquet,
    looked_for=looked_for,
    without_answers=("test",),
    order=lambda row: (0, int(row["pid"])) if row["pid"].isdecimal() else (1, row["pid"]),
)
