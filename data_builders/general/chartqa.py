"""ChartQA: two files of the test split, one written by people, one by a machine; the score is the mean of both parts.

The question goes to the model as it stands; the answer is text, compared by relaxed accuracy.
"""

from collections.abc import Iterator
from pathlib import Path

from ..shared.errors import UserError
from ..shared.files import read_json
from ..sources import About
from .benchmark import Asked, Benchmark, Official, Reading, Request, answers_of, list_of, mapping_of, text_of
from .originals import PictureFolder, first_file
from .parquet import columns_of, count_rows, embedded, find_shards, read_rows, told_patterns

CATEGORIES = ("human", "augmented")
FOLDERS = ("ChartQA Dataset/test", "ChartQA_Dataset/test", "test", "")
PARQUET_FOLDERS = ("data", "", "default")
# Columns of the known parquet forms: (question, answer, human or augmented).
FORMS = (("query", "label", "human_or_machine"), ("question", "answer", "type"), ("query", "label", "type"))


def row_of(question: str, answer: str | list[str], category: str, number: int) -> dict:
    return {
        "question_id": f"{category}/{number}",
        "question": question,
        "answer": answer,
        "category": category,
        "split": "test",
    }


def looked_for(split: str) -> list[str]:
    return [*(f"{folder or '.'}/test_human.json" for folder in FOLDERS), *told_patterns(PARQUET_FOLDERS, split)]


def original(request: Request) -> Reading | None:
    files = {}
    for category in CATEGORIES:
        name = f"test_{category}.json"
        if path := first_file(request.root, [f"{folder}/{name}" if folder else name for folder in FOLDERS]):
            files[category] = path
    if not files:
        return None
    if not request.allow_partial and (missing := [one for one in CATEGORIES if one not in files]):
        folder = next(iter(files.values())).parent
        raise UserError(f"no file {folder}/test_{missing[0]}.json; the score needs both parts")
    rows = {path: list_of(read_json(path), str(path)) for path in files.values()}
    return Reading("original", tuple(rows), sum(map(len, rows.values())), read_original(request, files, rows))


def read_original(request: Request, files: dict[str, Path], rows: dict[Path, list]) -> Iterator[Asked]:
    for category, path in files.items():
        beside = path.parent.relative_to(request.root).as_posix()
        folder = PictureFolder(request, [f"{beside}/png", f"{beside}/images", "images"], "ChartQA")
        for number, row in enumerate(rows[path], 1):
            place = f"{path}, row {number}"
            mapping_of(row, place)
            question, answer = text_of(row, "query", place), text_of(row, "label", place)
            picture = folder.picture(text_of(row, "imgname", place), place)
            yield Asked(row_of(question, answer, category, number), picture, place)


def parquet(request: Request) -> Reading | None:
    files = find_shards(request.root, PARQUET_FOLDERS, "test", allow_partial=request.allow_partial)
    if not files:
        return None
    there = columns_of(files[0])
    form = next((one for one in FORMS if set(one) <= set(there)), None)
    if form is None:
        known = " or ".join(", ".join((*one, "image")) for one in FORMS)
        raise UserError(f"{files[0]}: the columns of ChartQA are {known}; it has {', '.join(there) or 'none'}")
    return Reading("parquet", tuple(files), count_rows(files), read_parquet(files, form))


def read_parquet(files: list[Path], form: tuple[str, str, str]) -> Iterator[Asked]:
    numbers = dict.fromkeys(CATEGORIES, 0)
    question, answer, kind = form
    for place, row in read_rows(files, [*form, "image"], ["imgname"]):
        category = category_of(row[kind], kind, place)
        numbers[category] += 1
        # One form holds a list of one answer.
        golds = answers_of(row, answer, place) if isinstance(row[answer], list) else [text_of(row, answer, place)]
        gold = golds[0] if len(golds) == 1 else golds
        asked = row_of(text_of(row, question, place), gold, category, numbers[category])
        yield Asked(asked, embedded(row, "image", place, row.get("imgname")), place)


def category_of(value: object, column: str, place: str) -> str:
    if value in (0, 1) and not isinstance(value, bool):  # a class label with the names human, machine
        return CATEGORIES[int(value)]
    for start, category in (("human", "human"), ("augmented", "augmented"), ("machine", "augmented")):
        if isinstance(value, str) and value.lower().startswith(start):
            return category
    raise UserError(f"{place}: {column} is {value!r}; it must say human or augmented")


BENCHMARK = Benchmark(
    name="chartqa",
    about=About(
        "ChartQA",
        "https://github.com/vis-nlp/ChartQA (original) or huggingface.co/datasets: HuggingFaceM4/ChartQA, "
        "lmms-lab/ChartQA (parquet)",
        "ChartQA Dataset/test/{test_human.json, test_augmented.json, png/}, or data/test-*.parquet",
    ),
    splits={"test": Official(2500, categories={"human": 1250, "augmented": 1250})},
    original=original,
    parquet=parquet,
    looked_for=looked_for,
    order=lambda row: CATEGORIES.index(row["category"]),
)
