"""`llava`: a file in LLaVA's conversation format (JSON array or JSON lines), as downloaded, made a training set.

Serves blip_laion_cc_sbu_558k.json, llava_v1_5_mix665k.json and a user's own files. Rows are read one at a time, so a
file need not fit in memory.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from .builder import Builder
from .errors import UserError
from .files import read_jsonl, safe_join, write_jsonl
from .options import Options
from .progress import progress
from .records import IMAGE_PLACEHOLDER, check_row, images_of, write_training_set

VERSION = 1
BLOCK = 1 << 20  # characters read at a time
MISSING = "image not there"


class LlavaOptions(Options):
    file: str = Field(description="the conversations, relative to --root or absolute: .json or .jsonl")
    images: str = Field(".", description="folder that image paths are relative to, inside --root")
    max_missing: int = Field(0, ge=0, description="rows whose image is not there that may be left out")
    max_faulty: int = Field(0, ge=0, description="rows that break the format that may be left out")
    check_images: bool = Field(True, description="look whether every image is there")


def read_array(path: Path) -> Iterator[dict]:
    """The objects of a JSON array, one at a time."""
    decoder = json.JSONDecoder()
    with open(path, encoding="utf-8") as file:
        text, place, number = file.read(BLOCK), 0, 0
        place = len(text) - len(text.lstrip())
        if text[place : place + 1] != "[":
            raise UserError(f"{path} is neither a JSON array nor JSON lines; it begins {text[:40]!r}")
        place += 1
        while True:
            while place < len(text) and text[place] in " \t\r\n,":
                place += 1
            if text[place : place + 1] == "]":
                return
            try:
                row, end = decoder.raw_decode(text, place)
            except json.JSONDecodeError as error:
                more = file.read(BLOCK)
                if not more:
                    raise UserError(
                        f"{path}: row {number + 1} is broken or the file is cut off ({error.msg})"
                    ) from None
                text, place = text[place:] + more, 0
                continue
            if not isinstance(row, dict):
                raise UserError(f"{path}, row {number + 1}: a row must be a JSON object, not {type(row).__name__}")
            number += 1
            place = end
            yield row


def read_file(path: Path) -> Iterator[dict]:
    """Rows of a JSON array or of JSON lines, told apart by the first character."""
    if not path.is_file():
        raise UserError(f"no file {path}; --file is relative to --root")
    try:
        with open(path, encoding="utf-8") as file:
            first = file.read(4096).lstrip("\ufeff \t\r\n")[:1]
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text: {error}") from None
    if not first:
        raise UserError(f"{path} is empty")
    yield from read_array(path) if first == "[" else read_jsonl(path)


def check_placeholders(row: dict, place: str) -> None:
    """An image must have its place in the first question, and a placeholder its image."""
    images, turns = images_of(row), row["conversations"]
    found = [turn["value"].count(IMAGE_PLACEHOLDER) for turn in turns]
    first = next((i for i, turn in enumerate(turns) if turn["from"] == "human"), None)
    name = f"{place}, row {row['id']!r}"
    if not images and sum(found):
        raise UserError(f"{name}: {IMAGE_PLACEHOLDER} in the text, but no image; add one or remove the placeholder")
    if images and (first is None or found[first] != 1 or sum(found) != 1):
        raise UserError(
            f"{name}: {IMAGE_PLACEHOLDER} must stand once, in the first human turn; it stands {sum(found)} times"
        )


class Reader:
    """Turns a file's rows into training rows; `left_out` fills with the others and the reason for each."""

    def __init__(self, path: Path, image_root: Path, options: LlavaOptions):
        self.path, self.image_root, self.options = path, image_root, options
        self.left_out: list[dict] = []
        self.missing = self.faulty = 0

    def rows(self) -> Iterator[dict]:
        """The rows that can be learnt from. UserError when more than the quota cannot."""
        times: dict[str, int] = {}
        number = 0
        with progress(f"reading {self.path.name}", "rows") as advance:
            for number, found in enumerate(read_file(self.path), 1):
                if number % 1000 == 0:
                    advance(1000)
                row = {**found, "id": found.get("id", number)}
                if row.get("image") in (None, "", []):
                    row.pop("image", None)  # how some files write a row of text only
                if not self.usable(row):
                    continue
                seen = times[str(row["id"])] = times.get(str(row["id"]), 0) + 1
                if seen > 1:
                    row["id"] = f"{row['id']}#{seen}"  # published mixtures repeat ids; draws need them unique
                row.setdefault("source", self.path.stem)
                row.setdefault("kind", "general" if images_of(row) else "text")
                row.setdefault("category", "general")
                yield row
            advance(number % 1000)
        if self.missing > self.options.max_missing:
            lost = [row["image"] for row in self.left_out if row["reason"] == MISSING]
            raise UserError(
                f"{self.path}: {self.missing} rows name images that are not in {self.image_root}: "
                f"{', '.join(lost[:5])}{', ...' if len(lost) > 5 else ''}. Download them, or allow so many to be left "
                f"out: --max-missing {self.missing}"
            )

    def usable(self, row: dict) -> bool:
        """False when the row is left out within a quota. UserError when the quota for faulty rows is used up."""
        try:
            check_row(row, str(self.path))
            check_placeholders(row, str(self.path))
        except UserError as error:
            self.faulty += 1
            if self.faulty > self.options.max_faulty:
                allow = "To leave such rows out: --max-faulty NUMBER" if not self.options.max_faulty else ""
                count = f" ({self.faulty} faulty rows so far, {self.options.max_faulty} allowed)" if not allow else ""
                raise UserError(f"{error}. {allow}{count}".strip()) from None
            self.left_out.append({"id": row["id"], "image": row.get("image"), "reason": str(error)})
            return False
        if lost := self.lost_image(row):
            # Counted to the end, so that the message can say how many there are.
            self.missing += 1
            self.left_out.append({"id": row["id"], "image": lost, "reason": MISSING})
            return False
        return True

    def lost_image(self, row: dict) -> str | None:
        if not self.options.check_images:
            return None
        return next((one for one in images_of(row) if not safe_join(self.image_root, one).is_file()), None)


def build(root: Path, out: Path, options: LlavaOptions) -> None:
    image_root = safe_join(root, options.images)
    if not image_root.is_dir():
        raise UserError(f"no folder {image_root}; --images is relative to --root")
    reader = Reader(root / options.file, image_root, options)

    def rows_then_list() -> Iterator[dict]:
        # Runs out before the manifest is written, so a folder with a manifest has its list of what was left out.
        yield from reader.rows()
        if reader.left_out:
            write_jsonl(out / "left_out.jsonl", reader.left_out)

    write_training_set(
        out,
        rows_then_list(),
        name=out.name,
        builder="llava",
        version=VERSION,
        image_root=image_root,
        sources=[reader.path.name],
        splits=["train"],
        options=options.identity(),
    )


BUILDER = Builder(
    "training rows: a file in LLaVA's conversation format, as downloaded or your own", LlavaOptions, VERSION, build
)
