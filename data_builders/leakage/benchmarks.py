"""Benchmark question files below data folders, in the forms that evaluation reads.

FG-BMK/human-oriented/<track>/..., FROW/<dataset>_with_reference.jsonl, general/<benchmark>/questions.jsonl, each in the
data folder itself (of FG-BMK and FROW also as their repositories have them, in benchmark/); a folder or file inside
FG-BMK, FROW or general may also be named, and stands for what is in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ..benchmark_images import FROW_ENDING, ImageFolder, fgbmk_images, frow_images
from ..fgbmk_layout import QUESTION_FILES
from ..shared.errors import UserError
from ..shared.files import check_inside, read_jsonl, sha256_file

PATTERNS = {
    "fgbmk": QUESTION_FILES,
    "frow": (f"FROW/*{FROW_ENDING}", f"FROW/benchmark/*{FROW_ENDING}"),
    "general": ("general/*/questions.jsonl",),
}
TOPS = {"FG-BMK": "fgbmk", "FROW": "frow", "general": "general"}
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
    images: ImageFolder

    @property
    def data_set_is_there(self) -> bool:
        """FG-BMK asks about data sets that are downloads of their own."""
        return self.kind != "fgbmk" or self.images.root.is_dir()

    def questions(self) -> Iterator[Question]:
        """UserError names file and row of the first that is broken."""
        text, gold, key = KEYS[self.kind]
        root, number = self.images.root.resolve(), 0
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
            place = f"{inside}/{self.images.spelt(image)}" if image is not None else None
            yield Question(question_id, image, place, row[text], row[gold])
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
    return [question_file(path, kind, str(path.relative_to(data))) for path, kind in found]


def question_file(path: Path, kind: str, name: str) -> QuestionFile:
    images = (row["image"] for row in read_jsonl(path) if isinstance(row.get("image"), str))
    if kind == "general":
        return QuestionFile(path, kind, name, ImageFolder(path.parent))
    return QuestionFile(path, kind, name, (fgbmk_images if kind == "fgbmk" else frow_images)(path, images))


def digest(files: list[QuestionFile]) -> str:
    """What the question files hold, and which of their data sets are there, in one short text."""
    held = (f"{file.name}={sha256_file(file.path)}{'' if file.data_set_is_there else ' alone'};" for file in files)
    return sha256("".join(held).encode()).hexdigest()[:16]
