"""POPE on COCO: is there this object in the picture? Three splits over the same 500 pictures, each scored by itself.

One question file holds the three, so that a picture is seen once for all of its questions; `category` names the split.
"""

from collections.abc import Iterator
from pathlib import Path

from ..shared.errors import UserError
from ..shared.files import read_jsonl
from ..sources import About
from .benchmark import Asked, Benchmark, Official, Reading, Request, number_of, text_of
from .originals import PictureFolder, first_file
from .parquet import count_rows, embedded, find_shards, read_rows, told_patterns

SPLITS = ("random", "popular", "adversarial")
FOLDERS = ("output/coco", "coco", "pope/coco", "")
IMAGE_FOLDERS = ("val2014", "images", "coco/val2014", "images/val2014", "data/coco/val2014", "coco/images/val2014")
PARQUET_FOLDERS = ("data", "", "default")
SPLIT_FOLDERS = ("Full", "data", "")  # the other form: a parquet split for each of POPE's


def row_of(number: int, split: str, question: str, answer: str, place: str) -> dict:
    label = answer.strip().lower()
    if label not in ("yes", "no"):
        raise UserError(f"{place}: the answer is {answer!r}; it must be yes or no")
    if split not in SPLITS:
        raise UserError(f"{place}: category is {split!r}; it must be {', '.join(SPLITS)}")
    return {
        "question_id": f"{split}/{number}",  # numbers start anew in each split
        "question": question,
        "answer": label,
        "category": split,
        "split": split,
        "number": number,
    }


def looked_for(split: str) -> list[str]:
    return [
        *(f"{folder or '.'}/coco_pope_random.json" for folder in FOLDERS),
        *told_patterns(PARQUET_FOLDERS, "test"),
        *told_patterns(SPLIT_FOLDERS[:1], "random"),
    ]


def original(request: Request) -> Reading | None:
    files = {}
    for split in SPLITS:
        name = f"coco_pope_{split}.json"
        if path := first_file(request.root, [f"{folder}/{name}" if folder else name for folder in FOLDERS]):
            files[split] = path
    if not files:
        return None
    if not request.allow_partial and (missing := [one for one in SPLITS if one not in files]):
        folder = next(iter(files.values())).parent
        raise UserError(f"no file {folder}/coco_pope_{missing[0]}.json; POPE's score needs its three splits")
    rows = {split: list(read_jsonl(path)) for split, path in files.items()}
    return Reading("original", tuple(files.values()), sum(map(len, rows.values())), read_original(request, files, rows))


def read_original(request: Request, files: dict[str, Path], rows: dict[str, list[dict]]) -> Iterator[Asked]:
    folder = PictureFolder(request, IMAGE_FOLDERS, "POPE (COCO val2014)")
    for split, path in files.items():
        for line, row in enumerate(rows[split], 1):
            place = f"{path}, row {line}"
            number = number_of(row, "question_id", place)
            asked = row_of(number, split, text_of(row, "text", place), text_of(row, "label", place), place)
            yield Asked(asked, folder.picture(text_of(row, "image", place), place), place)


def parquet(request: Request) -> Reading | None:
    files = find_shards(request.root, PARQUET_FOLDERS, "test", allow_partial=request.allow_partial)
    if not files:
        for split in SPLITS:
            found = find_shards(request.root, SPLIT_FOLDERS, split, allow_partial=request.allow_partial)
            if files and not found and not request.allow_partial:
                raise UserError(f"{files[0].parent} has no shards of the split {split}; POPE's score needs all three")
            files += found
    if not files:
        return None
    return Reading("parquet", tuple(files), count_rows(files), read_parquet(files))


def read_parquet(files: list[Path]) -> Iterator[Asked]:
    for place, row in read_rows(files, ("question_id", "question", "answer", "category", "image"), ("image_source",)):
        number = number_of(row, "question_id", place)
        answer, split = text_of(row, "answer", place), text_of(row, "category", place)
        asked = row_of(number, split, text_of(row, "question", place), answer, place)
        # COCO's name without a suffix, by which answers from elsewhere may call the picture.
        yield Asked(asked, embedded(row, "image", place, row.get("image_source")), place)


BENCHMARK = Benchmark(
    name="pope",
    about=About(
        "POPE",
        "https://github.com/RUCAIBox/POPE with COCO's val2014 images from https://cocodataset.org (original), or "
        "huggingface.co/datasets/lmms-lab/POPE (parquet)",
        "output/coco/coco_pope_{random,popular,adversarial}.json and val2014/ (or --images DIR), or "
        "data/test-*.parquet",
    ),
    splits={"test": Official(9000, images=500, categories=dict.fromkeys(SPLITS, 3000))},
    original=original,
    parquet=parquet,
    looked_for=looked_for,
    order=lambda row: (SPLITS.index(row["category"]), row["number"]),
)
