"""A text per category: from a folder of files, or from Wikipedia."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..shared.errors import UserError
from ..shared.files import read_jsonl
from ..sources import known_sources, same_name

JSONL = "class_texts.jsonl"
WIKIPEDIA = "wikipedia"


@dataclass(frozen=True)
class Text:
    """What is known about a category. `origin` says where it comes from: title, revision, url, licence, as known."""

    category: str
    body: str
    origin: dict[str, str] = field(default_factory=dict)


def texts_in(folder: Path) -> dict[str, tuple[str, str]]:
    """key -> (text, place): class_texts.jsonl if there is one, else all <category>.txt. UserError for a clash."""
    if not folder.is_dir():
        raise UserError(f"no folder {folder}; --texts names a folder with a text per category, or says wikipedia")
    found: dict[str, tuple[str, str]] = {}

    def add(name: str, text: str, place: str) -> None:
        key = same_name(name)
        if key in found:
            raise UserError(f"{place} and {found[key][1]} are both texts of {key!r}; remove one")
        found[key] = (text.strip(), place)

    if (folder / JSONL).is_file():
        for number, row in enumerate(read_jsonl(folder / JSONL), 1):
            place = f"{folder / JSONL}, line {number}"
            if not isinstance(row.get("class_name"), str) or not isinstance(row.get("description"), str):
                raise UserError(f"{place}: a row must have class_name and description as text")
            add(row["class_name"], row["description"], place)
        return found  # data sets have lists like train.txt beside it
    for path in sorted(folder.glob("*.txt")):
        try:
            add(path.stem, path.read_text(encoding="utf-8-sig"), str(path))
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not text ({error}). Save it as UTF-8") from None
    return found


def folder_of(folder: Path, source: str) -> Path:
    """Where a source's texts lie: in a folder of its own if there is one, as one name may mean several things."""
    return folder / source if (folder / source).is_dir() else folder


def digest(folder: Path) -> str:
    """A hash of all texts in the folder and in those of single sources."""
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name in known_sources()]
    places = {"": folder, **{path.name: path for path in inside}}
    listed = [(name, key, text) for name, path in places.items() for key, (text, _) in texts_in(path).items()]
    return hashlib.sha256(repr(sorted(listed)).encode()).hexdigest()[:16]


def folder_texts(folder: Path, categories: Iterable[str]) -> tuple[dict[str, Text], dict[str, str]]:
    """The texts of these categories, and for each category without one the reason."""
    known = texts_in(folder)
    texts, lost = {}, {}
    for category in categories:
        text, place = known.get(same_name(category), ("", ""))
        if text:
            texts[category] = Text(category, text, {"file": Path(place.split(", line")[0]).name})
        else:
            lost[category] = f"{place} is empty" if place else "no file"
    return texts, lost


def shortened(text: str, most_characters: int) -> str:
    """The text up to the last sentence that ends within the limit."""
    if len(text) <= most_characters:
        return text
    cut = text[:most_characters]
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)", cut)]
    return cut[: ends[-1]] if ends else cut
