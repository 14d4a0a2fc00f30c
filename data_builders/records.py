"""What a training set on disk is: `<folder>/manifest.json` + `<folder>/rows.jsonl` in the LLaVA conversation format.

A row: `id`, `image` (a path, a list of paths for a mosaic or for several pictures, or absent for text only),
`conversations` (`[{from: human|gpt, value}]`, the first human turn holds `<image>` once, or once for each of several
pictures, which training puts before the question), `source`, `kind`, `category`. Optional keys:

* `turns: independent` - each human/gpt pair is a question of its own about the same image, not a dialogue; training
  packs them as branches behind one image prefix. Absent means a dialogue, as LLaVA has it.
* `mosaic: {grid: [3, 3], tile_pixels: 149, names: [...], answer: reading_order}` - the tiles' categories in the order
  of `image`; the tiles are composed at load time in an order drawn anew each pass, and the answer lists the names in
  that order: by commas (`answer: reading_order`, or no such key), or each with its place (`answer: position`).
  `exact: true` makes tiles of whole pictures; without it, of JPEGs reduced by their decoder.

* `chosen`, `rejected` - two answers to the question that the conversation ends with: a preference. A stage with
  objective `dpo` learns from both, one with `answers` from the chosen one; answers before that question are read only.

A row with a single gpt turn and no human turn is plain text: all of it is learnt. An answer with `loss: false` is read
by the model and not learnt.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .shared.code_identity import CodeIdentity
from .shared.errors import UserError
from .shared.files import atomic_write, check_inside, read_jsonl, sha256_file, write_json
from .shared.progress import progress
from .shared.state_files import read_state

IMAGE_PLACEHOLDER = "<image>"
HERE = Path()


@dataclass(frozen=True)
class Manifest:
    """What a training set is made of. `image_root` is relative to the manifest's own folder."""

    name: str
    builder: str
    rows: int
    images: int
    sha256: str  # of rows.jsonl
    image_root: str
    sources: list[str]
    splits: list[str]
    pictures: str = ""  # hash of their names and sizes: another picture in a file's place is another set
    options: dict = field(default_factory=dict)
    code: dict = field(default_factory=dict)  # that built it: {hash, files}
    held_out: dict = field(default_factory=dict)  # source -> level -> labels that it neither shows nor names
    asked: dict = field(default_factory=dict)  # of rows that are asked about instead: pictures, rows, questions
    check: dict = field(default_factory=dict)  # what it was compared with before the manifest was written

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """The manifest of a training set's folder. UserError where it is missing or broken, with what to do."""
        return read_state(Path(folder) / "manifest.json", cls, f"Delete {folder} and build the training set again")

    @property
    def content(self) -> str:
        """Hash of what is learnt from: the rows and their pictures."""
        return hashlib.sha256(f"{self.sha256} {self.pictures}".encode()).hexdigest() if self.pictures else self.sha256


def images_of(row: dict) -> list[str]:
    """The row's image paths: none, one, or a mosaic's tiles."""
    image = row.get("image")
    if image is None:
        return []
    return list(image) if isinstance(image, list) else [image]


def conversation(question: str, answer: str, with_image: bool = True) -> list[dict]:
    """One question and its answer as LLaVA writes them."""
    lead = IMAGE_PLACEHOLDER + "\n" if with_image else ""
    return [{"from": "human", "value": lead + question}, {"from": "gpt", "value": answer}]


def independent_turns(pairs: Iterable[tuple[str, str]]) -> list[dict]:
    """Question and answer pairs as turns; only the first question carries the image's placeholder."""
    turns = []
    for question, answer in pairs:
        lead = "" if turns else IMAGE_PLACEHOLDER + "\n"
        turns += [{"from": "human", "value": lead + question}, {"from": "gpt", "value": answer}]
    return turns


def is_preference(row: dict) -> bool:
    """Is the row one of preferences: two answers, one of them chosen?"""
    return "chosen" in row or "rejected" in row


def texts_of(row: dict) -> list[str]:
    """All that is said in a row: questions and answers, those of a preference included."""
    return [turn["value"] for turn in row["conversations"]] + [row[key] for key in ("chosen", "rejected") if key in row]


def check_row(row: dict, place: str) -> None:
    """Raise UserError unless the row follows the contract above."""
    name = f"{place}, row {row.get('id')!r}"
    if not isinstance(row.get("id"), str | int):
        raise UserError(f"{place}: a row without id: {json.dumps(row)[:120]}")
    turns = row.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise UserError(f"{name}: conversations must be a list of {{from, value}}, not {turns!r}")
    for turn in turns:
        if not isinstance(turn, dict) or turn.get("from") not in ("human", "gpt"):
            raise UserError(f"{name}: a turn must have from: human or gpt, not {turn!r}")
        if not isinstance(turn.get("value"), str):
            raise UserError(f"{name}: a turn's value must be text, not {turn.get('value')!r}")
        if "loss" in turn and not (isinstance(turn["loss"], bool) and turn["from"] == "gpt"):
            raise UserError(f"{name}: loss is {turn['loss']!r}; write false in an answer (gpt) that is not learnt")
    if is_preference(row):
        _check_preference(row, name)
    elif not any(turn["from"] == "gpt" and turn["value"].strip() and turn.get("loss", True) for turn in turns):
        raise UserError(f"{name}: no answer to learn from")
    if row.get("turns") not in (None, "independent"):
        raise UserError(f"{name}: turns is {row['turns']!r}; write turns: independent, or leave it out")
    for image in images_of(row):
        if not isinstance(image, str):
            raise UserError(f"{name}: an image must be a path, not {image!r}")
        try:
            check_inside(image, HERE)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None


def _check_preference(row: dict, name: str) -> None:
    answers = [row.get(key) for key in ("chosen", "rejected")]
    for key, answer in zip(("chosen", "rejected"), answers, strict=True):
        if not isinstance(answer, str) or not answer.strip():
            raise UserError(f"{name}: {key} is {answer!r}; a preference has two answers, chosen and rejected")
    if len({answer.strip() for answer in answers}) == 1:
        raise UserError(f"{name}: chosen and rejected are both {answers[0]!r}; they must differ")
    if row["conversations"][-1]["from"] != "human":
        raise UserError(f"{name}: it has chosen and rejected, so its conversations must end with the question (human)")
    if apart := [key for key in ("turns", "mosaic") if key in row]:
        raise UserError(f"{name}: {apart[0]} does not go with chosen and rejected. Write a row for each question")


def write_training_set(
    folder: Path,
    rows: Iterable[dict],
    *,
    name: str,
    builder: str,
    code: CodeIdentity,
    image_root: Path,
    sources: list[str],
    splits: list[str],
    options: dict | None = None,
    held_out: dict | None = None,
    asked: Callable[[], dict] = dict,
    check: Callable[[Path, set[str]], dict] | None = None,
) -> Manifest:
    """Write rows.jsonl, then the manifest that vouches for it (so a folder with a manifest is whole).

    `asked`: called when the rows have run out, see `Manifest`.

    `check` is given the folder and the rows' images in between; it may stop the build, or leave rows out and say so
    (`left_out`).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    count, images = 0, set()
    digest, text_of = hashlib.sha256(), json.JSONEncoder(ensure_ascii=False).encode
    writing = progress(f"writing {name}", "rows", brief=True)
    with atomic_write(folder / "rows.jsonl", "wb") as file, writing as advance:
        for row in rows:
            check_row(row, str(folder))
            advance(1)
            images.update(images_of(row))
            try:
                line = (text_of(row) + "\n").encode()
            except UnicodeEncodeError as error:
                raise UserError(f"{folder}, row {row['id']!r}: its text cannot be written ({error.reason})") from None
            digest.update(line)
            file.write(line)
            count += 1
        if not count:
            raise UserError(f"{name}: the builder {builder} found no rows to write")
    sha256, told = digest.hexdigest(), check(folder, images) if check else {}
    if told.get("left_out"):
        count, images = 0, set()
        for row in read_rows(folder):
            count += 1
            images.update(images_of(row))
        sha256 = sha256_file(folder / "rows.jsonl")
    manifest = Manifest(
        name=name,
        builder=builder,
        code=code.to_dict(),
        rows=count,
        images=len(images),
        sha256=sha256,
        pictures=_pictures(Path(image_root), images),
        image_root=os.path.relpath(Path(image_root).resolve(), folder.resolve()),
        sources=sources,
        splits=splits,
        options=options or {},
        held_out=held_out or {},
        asked=asked(),
        check=told,
    )
    values = asdict(manifest)
    said = {key: value for key, value in values.items() if value or key not in ("asked", "check", "held_out")}
    write_json(folder / "manifest.json", said)
    return manifest


def _pictures(root: Path, images: set[str]) -> str:
    """Not of their bytes: a million pictures would take hours."""
    digest = hashlib.sha256()
    for image in sorted(images):
        try:
            size = os.stat(root / image).st_size
        except OSError:  # the check has told it, or there is none
            size = -1
        digest.update(f"{image}\x1f{size}\x1e".encode())
    return digest.hexdigest() if images else ""


def read_rows(folder: Path) -> Iterator[dict]:
    """The rows of a training set, each checked."""
    for row in read_jsonl(Path(folder) / "rows.jsonl", whole_characters=True):
        check_row(row, str(folder))
        yield row
