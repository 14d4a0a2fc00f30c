"""What a general benchmark is to the builder: its official counts, and readers of the layouts it is downloaded in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..shared.errors import UserError
from ..sources import About


@dataclass(frozen=True)
class Picture:
    """A picture as it was found: a file (`path`), bytes inside a parquet file (`data`), or drawn when needed (`make`).

    `name` is the path that it shall have below images/; None takes one from the content. `key` is the same for the
    same picture, where that is known without its bytes.
    """

    place: str  # for messages
    name: str | None = None
    path: Path | None = None
    data: bytes | None = None
    make: Callable[[], bytes] | None = None
    key: str | None = None


@dataclass(frozen=True)
class Asked:
    """One question: `row` is what the question file says of it, without its image."""

    row: dict
    picture: Picture
    place: str  # file and row, for messages


@dataclass(frozen=True)
class Reading:
    """A layout that was recognised. `asked` is read as it is needed; `total` is known before."""

    layout: str  # original or parquet
    files: tuple[Path, ...]  # that hold the questions
    total: int  # questions
    asked: Iterator[Asked]


@dataclass(frozen=True)
class Request:
    root: Path
    split: str
    images: Path | None = None  # where the pictures of an original layout lie, if not below the root
    allow_partial: bool = False


@dataclass(frozen=True)
class Official:
    """The official counts of a split."""

    questions: int
    images: int | None = None
    categories: dict[str, int] = field(default_factory=dict)  # where the score is made of parts


@dataclass(frozen=True)
class Benchmark:
    """`original` and `parquet` return None where their layout does not lie at the root."""

    name: str
    about: About
    splits: dict[str, Official]  # the first is the default
    original: Callable[[Request], Reading | None]
    parquet: Callable[[Request], Reading | None]
    looked_for: Callable[[str], list[str]]  # split -> the files that give a layout away, for the message
    without_answers: tuple[str, ...] = ()  # splits whose answers are not public
    order: Callable[[dict], Any] | None = None  # of the rows in the question file; default as they were read

    def check_split(self, split: str | None) -> str:
        """The split that is meant. UserError for one that is not there or has no public answers."""
        default = next(iter(self.splits))
        if split in self.without_answers:
            raise UserError(
                f"split is {split!r}: {self.about.title} keeps the answers of its {split} split to itself, so nothing "
                f"could be scored here. Leave --split out, or write --split {default}."
            )
        if split is not None and split not in self.splits:
            raise UserError(f"split is {split!r}; {self.name} has {', '.join(self.splits)}")
        return split or default

    def read(self, request: Request) -> Reading:
        """The questions in the layout that lies at the root. UserError when none is recognised."""
        if not request.root.is_dir():
            raise UserError(f"no folder {request.root}; --root names the folder of {self.about.title} as downloaded")
        reading = self.original(request) or self.parquet(request)
        if reading is None:
            raise UserError(
                f"{request.root} holds no layout of {self.about.title} that is known here; looked for "
                f"{', '.join(self.looked_for(request.split))}. Get it from {self.about.where}"
            )
        return reading


def text_of(row: dict, key: str, place: str) -> str:
    """The row's value as text that says something. UserError otherwise."""
    if key not in row:
        raise UserError(f"{place}: no {key!r}; there are {', '.join(map(str, row)) or 'no keys'}")
    value = row[key]
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{place}: {key} is {value!r}; it must be text")
    return value


def texts_of(row: dict, key: str, place: str) -> list[str]:
    """The row's value as a list of texts; an absent or null value is an empty one. UserError otherwise."""
    value = row.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UserError(f"{place}: {key} is {value!r}; it must be a list of texts")
    return value


def answers_of(row: dict, key: str, place: str) -> list[str]:
    """The accepted answers, at least one. UserError when there is none."""
    answers = [one for one in texts_of(row, key, place) if one.strip()]
    if not answers:
        raise UserError(f"{place}: no answer in {key!r}, so nothing could be scored; is this a test split?")
    return answers


def number_of(row: dict, key: str, place: str) -> int:
    """The row's value as a whole number; some files write it as text. UserError otherwise."""
    value = row.get(key)
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise UserError(f"{place}: {key} is {value!r}; it must be a whole number")


def mapping_of(value: object, place: str) -> dict:
    """The value, checked to be a JSON object. UserError otherwise."""
    if not isinstance(value, dict):
        raise UserError(f"{place}: expected a JSON object, not {type(value).__name__}")
    return value


def list_of(value: object, place: str) -> list:
    """The value, checked to be a JSON list. UserError otherwise."""
    if not isinstance(value, list):
        raise UserError(f"{place}: expected a JSON list, not {type(value).__name__}")
    return value
