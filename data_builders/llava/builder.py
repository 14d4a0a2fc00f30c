"""The `llava` builder: options, the quotas for rows that cannot be used, what is written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..builder import Builder
from ..builder_code import builder_code
from ..options import LeakOptions
from ..records import images_of, write_training_set
from ..shared.errors import UserError
from ..shared.files import check_inside, safe_join, write_jsonl
from ..shared.near_miss import near_misses
from ..shared.progress import progress
from ..source_rows import end_check
from ..sources.reading import files_in
from .conversation_formats import Form, as_llava
from .heldout import hold_out
from .meta import Part, parts_of
from .reading import read_file

MISSING = "image not there"
STEP = 1000  # rows between two looks of the progress bar
DESCRIPTION = """Accepted are LLaVA's and ShareGPT's form (conversations: from, value), OpenAI's (messages: role,
content; images) and InternVL's (rows, or its meta file with root and annotation of several data sets), as a JSON array
or JSON lines.

LLaVA's and ShareGPT's rows need <image> in the first question, at its start or end; OpenAI's and InternVL's (rows with
width and height, or of a meta file) may leave it out, and the image is put first. Several images need their
placeholders together at the start or end of the first question.

What is left out is listed in OUT/left_out.jsonl with the reason: rows within the quotas, what stands before a row's
first question, and a last question without answer."""


class LlavaOptions(LeakOptions):
    file: str = Field(description="the conversations, relative to --root or absolute: .json or .jsonl, or a meta file")
    images: str = Field(".", description="folder that image paths are relative to, inside --root")
    max_missing: int = Field(0, ge=0, description="rows whose image is not there that may be left out")
    max_faulty: int = Field(0, ge=0, description="rows that break the format that may be left out")
    check_images: bool = Field(True, description="look whether every image is there")
    system: Literal["fold", "drop", "refuse"] = Field(
        "fold", description="a row's system text: put before its first question, left out, or the row is faulty"
    )
    data_set: str | None = Field(None, description="of a meta file: the one data set to take; default all")
    rows_only: bool = Field(False, description="of a meta file: leave out repeat_time and whatever else recipes say")
    heldout: int = Field(
        0,
        ge=0,
        description="pictures (a tenth of all at most) that are asked about, not learnt from: questions with a short "
        "answer go to OUT/heldout_questions.jsonl, the task heldout/NAME",
    )


class Reader:
    """Turns files' rows into training rows; `left_out` fills with what is not among them and the reason for each."""

    def __init__(self, parts: list[Part], image_root: Path, options: LlavaOptions):
        self.parts, self.image_root, self.options = parts, image_root, options
        self.left_out: list[dict] = []
        self.missing = self.faulty = 0
        self._times: dict[str, int] = {}
        self._folders: dict[str, set[str]] = {}

    def rows(self) -> Iterator[dict]:
        """The rows that can be learnt from. UserError when more than the quota cannot."""
        for part in self.parts:
            yield from self.rows_of(part)
        if self.missing > self.options.max_missing:
            lost = [row["image"] for row in self.left_out if row["reason"] == MISSING]
            near = near_misses(self.image_root, lost)
            raise UserError(
                f"{self.parts[0].path}: {self.missing} rows name images that are not in {self.image_root}: "
                f"{', '.join(map(repr, lost[:5]))}{', ...' if len(lost) > 5 else ''}. "
                f"{f'{near}: correct the paths' if near else 'Download them'}, or allow so many to be left out: "
                f"--max-missing {self.missing}"
            )

    def rows_of(self, part: Part) -> Iterator[dict]:
        form = Form(self.options.system, part.needs_placeholder)
        number = 0
        with progress(f"reading {part.path.name}", "rows", part.length) as advance:
            for number, row in enumerate(read_file(part.path), 1):
                if number % STEP == 0:
                    advance(STEP)
                if row.get("id") in (None, ""):
                    row["id"] = number
                if not self.usable(row, part, form):
                    continue
                for note in form.notes:
                    self.left_out.append({"id": row["id"], "image": row.get("image"), "reason": note})
                row["id"] = self.unique(row["id"])
                row.setdefault("source", part.name)
                row.setdefault("kind", "general" if "image" in row else "text")
                row.setdefault("category", "general")
                yield row
            advance(number % STEP)
        if part.length not in (None, number):
            raise UserError(
                f"{part.path}: {number:,} rows, but the meta file says length {part.length:,}. Download the file again "
                f"if it is cut off, or correct the length"
            )

    def unique(self, row_id: str | int) -> str | int:
        """The id, with #2, #3, ... from its second use on: published mixtures repeat ids, draws need them apart."""
        key = str(row_id)
        times = self._times.get(key, 0) + 1
        if times > 1:
            while f"{key}#{times}" in self._times:
                times += 1
            row_id = f"{key}#{times}"
            self._times[row_id] = 1
        self._times[key] = times
        return row_id

    def usable(self, row: dict, part: Part, form: Form) -> bool:
        """False when the row is left out within a quota. UserError when the quota for faulty rows is used up."""
        name = f"{part.path}, row {row['id']!r}"
        try:
            if not isinstance(row["id"], str | int):
                raise UserError(f"{name}: an id must be a text or a whole number")
            as_llava(row, name, form)
            for image in images_of(row):
                check_inside(image, self.image_root)
        except UserError as error:
            reason = str(error) if str(error).startswith(name) else f"{name}: {error}"
            self.faulty += 1
            if self.faulty > self.options.max_faulty:
                allow = "To leave such rows out: --max-faulty NUMBER" if not self.options.max_faulty else ""
                count = f" ({self.faulty} faulty rows so far, {self.options.max_faulty} allowed)" if not allow else ""
                raise UserError(f"{reason}. {allow}{count}".strip()) from None
            self.left_out.append({"id": row["id"], "image": row.get("image"), "reason": reason})
            return False
        if part.folder and "image" in row:
            one, image = isinstance(row["image"], str), row["image"]
            row["image"] = f"{part.folder}/{image}" if one else [f"{part.folder}/{each}" for each in image]
        if self.options.check_images and (lost := self.lost_image(row)):
            # Counted to the end, so that the message can say how many there are.
            self.missing += 1
            self.left_out.append({"id": row["id"], "image": lost, "reason": MISSING})
            return False
        return True

    def lost_image(self, row: dict) -> str | None:
        # One listing per folder: asking for each of 665,000 files takes minutes on a network file system.
        for image in images_of(row):
            folder, _, file = image.rpartition("/")
            if folder not in self._folders:
                self._folders[folder] = files_in(self.image_root / folder)
            if file not in self._folders[folder]:
                return image
        return None


def build(root: Path, out: Path, options: LlavaOptions) -> None:
    image_root = safe_join(root, options.images)
    if not image_root.is_dir():
        raise UserError(f"no folder {image_root}; --images is relative to --root")
    file = root / options.file
    parts = parts_of(file, root, image_root, options.data_set, options.rows_only)
    reader = Reader(parts, image_root, options)
    heldout = (
        hold_out(Reader(parts, image_root, options).rows(), image_root, options.heldout) if options.heldout else None
    )

    def rows_then_list() -> Iterator[dict]:
        # Runs out before the manifest is written, so a folder with a manifest has its list of what was left out.
        yield from heldout.rows_to_learn(reader.rows()) if heldout else reader.rows()
        if heldout:
            heldout.write(out, image_root)
        (out / "left_out.jsonl").unlink(missing_ok=True)  # of an earlier, interrupted build
        if reader.left_out:
            write_jsonl(out / "left_out.jsonl", reader.left_out)

    write_training_set(
        out,
        rows_then_list(),
        name=out.name,
        builder="llava",
        code=builder_code("llava"),
        image_root=image_root,
        sources=[part.path.name if part.needs_placeholder is None else part.name for part in parts],
        splits=["train"],
        options=options.identity(),
        asked=heldout.told if heldout else dict,
        check=end_check(options, out.name, image_root),
    )


BUILDER = Builder(
    "training rows: a file in LLaVA's conversation format, as downloaded or your own",
    LlavaOptions,
    build,
    description=DESCRIPTION,
    example="--root LLaVA-Pretrain --file blip_laion_cc_sbu_558k.json --images images",
)
