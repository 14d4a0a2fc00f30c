"""Benchmark question files below data folders, in the forms that evaluation reads.

FG-BMK/human-oriented/<track>/..., FROW/<dataset>_with_reference.jsonl, general/<benchmark>/questions.jsonl, each in the
data folder itself; a folder or file inside FG-BMK, FROW or general may also be named, and stands for what is in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ..shared.errors import UserError
from ..shared.files import check_inside, read_json, read_jsonl, sha256_file

TRACK = "FG-BMK/human-oriented"
PATTERNS = {
    "fgbmk": (
        f"{TRACK}/hierarchical_granularity_recognition/*/*/*_question_*.jsonl",
        f"{TRACK}/knowledge_bias_estimation/*/questions_*.jsonl",
        f"{TRACK}/attribute_recognition/*_attribute_questions.jsonl",
    ),
    "frow": ("FROW/*_with_reference.jsonl",),
    "general": ("general/*/questions.jsonl",),
}
TOPS = {"FG-BMK": "fgbmk", "FROW": "frow", "general": "general"}
# Where FG-BMK's images lie when FG-BMK/images.json does not say.
IMAGE_ROOTS = {"cub": "../CUB_200_2011", "grocery": "../GroceryStoreDataset/dataset"}
# question, answer, and what the row is called by
KEYS = {
    "fgbmk": ("text", "class", "question_id"),
    "frow": ("question", "name", None),
    "general": ("question", "answer", "question_id"),
}


@dataclass(frozen=True)
class Question:
    question_id: int | str
    image: str | None  # as in the file
    path: str | None  # absolute
    text: str
    gold: object  # FROW: the category, as reference answers are texts


@dataclass(frozen=True)
class QuestionFile:
    path: Path
    kind: str  # fgbmk, frow or general
    name: str
    image_root: Path

    def questions(self) -> Iterator[Question]:
        """UserError names file and row of the first that is broken."""
        text, gold, key = KEYS[self.kind]
        root, number = self.image_root.resolve(), 0
        inside = str(root)
        for number, row in enumerate(read_jsonl(self.path), 1):
            image = row.get("image")
            if not isinstance(row.get(text), str) or gold not in row or not isinstance(image, str | None):
                raise UserError(f"{self.path}, row {number}: expected image, {text} and {gold}, not {str(row)[:120]}")
            if image is not None:
                try:
                    check_inside(image, root)
                except UserError as error:
                    raise UserError(f"{self.path}, row {number}: {error}") from None
            question_id = row.get(key, number) if key else number
            yield Question(question_id, image, f"{inside}/{image}" if image is not None else None, row[text], row[gold])
        if not number:
            raise UserError(f"{self.path} holds no questions")


def find_question_files(place: Path) -> list[QuestionFile]:
    """The question files in a data folder; or in FG-BMK, FROW or general, any folder or file of theirs.

    UserError when the place is not there, or no question file is in it.
    """
    place = Path(place)
    if not place.exists():
        raise UserError(f"no folder {place} to compare with")
    inside = place.resolve()
    tops = [one for one in (inside, *inside.parents) if one.name in TOPS]
    for data, kinds in ((inside, list(PATTERNS)), *((top.parent, [TOPS[top.name]]) for top in tops)):
        found = []
        for kind in kinds:
            paths = sorted(path for pattern in PATTERNS[kind] for path in data.glob(pattern))
            found += [(path, kind) for path in paths if path.is_relative_to(inside)]
        if found:
            break
    else:
        raise UserError(
            f"{place} holds no benchmark questions: FG-BMK/human-oriented/..., FROW/*_with_reference.jsonl, "
            "general/*/questions.jsonl. Name the folder that holds FG-BMK, FROW or general, or one of these"
        )
    return [QuestionFile(path, kind, str(path.relative_to(data)), image_root(path, kind)) for path, kind in found]


def image_root(path: Path, kind: str) -> Path:
    if kind != "fgbmk":
        return path.parent
    benchmark = next(parent for parent in path.parents if parent.name == "FG-BMK")
    track = path.relative_to(benchmark).parts[1]
    dataset = path.relative_to(benchmark).parts[2].removesuffix("_attribute_questions.jsonl")
    listed = benchmark / "images.json"
    roots = read_json(listed) if listed.exists() else {}
    relative = roots.get(dataset, IMAGE_ROOTS.get(dataset)) if isinstance(roots, dict) else None
    if not isinstance(relative, str):
        raise UserError(
            f"{benchmark / 'human-oriented' / track}: where are the images of {dataset!r}? "
            f'Write {{"{dataset}": "folder relative to {benchmark.name}"}} into {listed}'
        )
    return benchmark / relative


def digest(files: list[QuestionFile]) -> str:
    """What the question files hold, in one short text."""
    return sha256("".join(f"{file.name}={sha256_file(file.path)};" for file in files).encode()).hexdigest()[:16]
