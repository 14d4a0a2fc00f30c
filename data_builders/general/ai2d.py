"""AI2D: multiple-choice questions about diagrams of school books; the answer is the option's letter.

What is asked is the question with its options on lines of their own ("A. ..."), as the common suites ask it; a task
adds what the answer shall look like. Where a question names the labels of a diagram by letters (`abcLabel`), the
diagram shows these letters in the place of its texts: the parquet files have them drawn, the original files say where,
and they are drawn here.
"""

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import ImageDraw, ImageFont

from ..shared.errors import UserError
from ..shared.files import read_json
from ..shared.pictures import open_image
from ..sources import About
from ..sources.reading import numbered_lines
from .benchmark import Asked, Benchmark, Official, Picture, Reading, Request, mapping_of, number_of, text_of, texts_of
from .originals import PictureFolder, first_file
from .parquet import count_rows, embedded, find_shards, read_rows, told_patterns

TEST_IDS = ("ai2d_test_ids.csv", "ai2d/ai2d_test_ids.csv")
FOLDERS = ("ai2d", "")
PARQUET_FOLDERS = ("data", "", "default")
SMALLEST_LETTER = 8  # pixels


def lettered(question: str, options: list[str]) -> str:
    return "\n".join([question, *(f"{letter_of(i)}. {option}" for i, option in enumerate(options))])


def letter_of(index: int) -> str:
    return chr(ord("A") + index)


def row_of(question_id: int | str, question: str, options: list[str], right: int, place: str) -> dict:
    if not 2 <= len(options) <= 26:
        raise UserError(f"{place}: {len(options)} options; a question has 2 to 26")
    if not 0 <= right < len(options):
        raise UserError(f"{place}: the answer is option {right}, counted from 0, of {len(options)}")
    return {
        "question_id": question_id,
        "question": lettered(question, options),
        "answer": letter_of(right),
        "category": "diagram",
        "options": options,
        "split": "test",
        "parts": {"question": question},
    }


def looked_for(split: str) -> list[str]:
    return [*TEST_IDS, "ai2d/questions/*.json", "questions/*.json", *told_patterns(PARQUET_FOLDERS, split)]


def original(request: Request) -> Reading | None:
    top = next((request.root / one for one in FOLDERS if (request.root / one / "questions").is_dir()), None)
    if top is None:
        return None
    ids = first_file(request.root, TEST_IDS)
    if ids is None:
        raise UserError(
            f"{request.root} has AI2D's questions, but no {' or '.join(TEST_IDS)}, which says what the test "
            "images are; it is a download of its own: https://s3-us-east-2.amazonaws.com/prior-datasets/ai2d_test_ids.csv"
        )
    files = question_files(top, ids)
    pages = {path: mapping_of(read_json(path), str(path)) for path in files}
    total = sum(len(mapping_of(page.get("questions"), f"{path}, questions")) for path, page in pages.items())
    return Reading("original", (ids,), total, read_original(request, top, pages))


def question_files(top: Path, ids: Path) -> list[Path]:
    """The question files of the test images, by number. Some images have no questions."""
    names = []
    for line, text in numbered_lines(ids):
        number = text.strip('"').removesuffix(".png")
        if not number.isdecimal():
            raise UserError(f"{ids}, line {line}: {text!r} is no number of an image")
        names.append(int(number))
    paths = [top / "questions" / f"{number}.png.json" for number in sorted(set(names))]
    return [path for path in paths if path.is_file()]


def read_original(request: Request, top: Path, pages: dict[Path, dict]) -> Iterator[Asked]:
    folder = PictureFolder(request, [(top / "images").relative_to(request.root).as_posix()], "AI2D")
    categories = mapping_of(read_json(top / "categories.json"), "") if (top / "categories.json").exists() else {}
    for path, page in pages.items():
        image = text_of(page, "imageName", str(path))
        for question, about in page["questions"].items():
            place = f"{path}, question {question!r}"
            mapping_of(about, place)
            options, right = texts_of(about, "answerTexts", place), number_of(about, "correctAnswer", place)
            row = row_of(text_of(about, "questionId", place), question, options, right, place)
            row |= {"abc_label": bool(about.get("abcLabel")), "diagram": categories.get(image)}
            picture = folder.picture(image, place)
            if row["abc_label"]:
                picture = with_letters(picture, top / "annotations" / f"{image}.json")
            yield Asked(row, picture, place)


def with_letters(picture: Picture, annotation: Path) -> Picture:
    """The diagram with its texts replaced by letters."""
    name = f"{str(picture.name).removesuffix('.png')}-letters.png"
    make = partial(draw_letters, picture.path, annotation)
    return Picture(picture.place, name, make=make, key=f"{picture.key} with letters")


def draw_letters(path: Path, annotation: Path) -> bytes:
    """Each text's rectangle white, its replacement in black in the middle, as large as fits; a png file's bytes."""
    texts = mapping_of(mapping_of(read_json(annotation), str(annotation)).get("text"), f"{annotation}, text")
    image = open_image(path)
    pen = ImageDraw.Draw(image)
    for key, text in texts.items():
        place = f"{annotation}, text {key}"
        letter = text_of(mapping_of(text, place), "replacementText", place)
        try:
            (x0, y0), (x1, y1) = text["rectangle"]
            left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{place}: rectangle is {text.get('rectangle')!r}, not [[x, y], [x, y]]") from None
        pen.rectangle((left, top, right, bottom), fill="white")
        middle = ((left + right) / 2, (top + bottom) / 2)
        pen.text(middle, letter, "black", ImageFont.load_default(letter_size(letter, right - left, bottom - top)), "mm")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def letter_size(letter: str, width: float, height: float) -> int:
    """The font size in pixels at which the letter fits, but one that can be read."""
    return max(SMALLEST_LETTER, int(min(height, 1.4 * width / max(1, len(letter)))))


def parquet(request: Request) -> Reading | None:
    files = find_shards(request.root, PARQUET_FOLDERS, "test", allow_partial=request.allow_partial)
    if not files:
        return None
    return Reading("parquet", tuple(files), count_rows(files), read_parquet(files))


def read_parquet(files: list[Path]) -> Iterator[Asked]:
    # This form has no ids of its own: a question is its number over all shards.
    for number, (place, row) in enumerate(read_rows(files, ("question", "options", "answer", "image")), 1):
        options, right = texts_of(row, "options", place), number_of(row, "answer", place)
        asked = row_of(number, text_of(row, "question", place), options, right, place)
        yield Asked(asked, embedded(row, "image", place), place)


BENCHMARK = Benchmark(
    name="ai2d",
    about=About(
        "AI2D",
        "https://prior.allenai.org/projects/diagram-understanding (original: ai2d-all.zip and ai2d_test_ids.csv) or "
        "huggingface.co/datasets/lmms-lab/ai2d (parquet; ai2d-no-mask keeps the texts beside the letters)",
        "ai2d/{questions, annotations, images}/ and ai2d_test_ids.csv, or data/test-*.parquet",
    ),
    splits={"test": Official(3088)},
    original=original,
    parquet=parquet,
    looked_for=looked_for,
)
