"""What the readers of source data sets share: lists, tables, names, and the look whether every image is there."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ..shared.csv_tables import read_text
from ..shared.errors import UserError
from ..shared.files import safe_join
from ..shared.near_miss import near_misses
from ..shared.picture_formats import DECODERS, PICTURE_SUFFIXES
from ..shared.pictures import looks_like_picture
from .base import LabelledImage

_look_for_images: ContextVar[bool] = ContextVar("look_for_images", default=True)


@contextmanager
def annotations_only() -> Iterator[None]:
    """Inside, `check_images` believes the lists: question files can be made where the pictures are not."""
    token = _look_for_images.set(False)
    try:
        yield
    finally:
        _look_for_images.reset(token)


def readable(name: str) -> str:
    """ "Black_footed_Albatross" -> "black footed albatross"."""
    return " ".join(name.replace("_", " ").replace("-", " ").split()).lower()


def spelled(name: str) -> str:
    """ "Old_English_sheepdog" -> "Old English sheepdog": where FG-BMK keeps capitals and hyphens ("747-400")."""
    return " ".join(name.replace("_", " ").split())


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The file's non-empty lines with their numbers. UserError when the file is missing."""
    if not path.is_file():
        raise UserError(f"no file {path}; is the root the data set's own folder, in its official layout?")
    text = read_text(path)
    # Not splitlines(): it also splits at U+2028 and form feeds, which names may hold.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.strip()


def check_images(name: str, root: Path, images: Iterable[LabelledImage], place: Path) -> tuple[LabelledImage, ...]:
    """The images, each inside the root and there. UserError names the first that is not, and how many are missing."""
    images = tuple(images)
    if not images:
        raise UserError(f"{place} lists no images of {name}")
    for row in images:
        # Only what might be refused: taking millions of paths apart takes longer than reading their list.
        if row.image.startswith("/") or ".." in row.image or "\\" in row.image or "\x00" in row.image:
            safe_join(root, row.image)
    if not _look_for_images.get():
        return images
    # One listing per folder: asking for each of millions of files takes minutes on a network file system.
    there: dict[str, set[str]] = {}
    missing = []
    for row in images:
        folder, _, file = row.image.rpartition("/")
        if folder not in there:
            there[folder] = files_in(root / folder)
        if file not in there[folder]:
            missing.append(row.image)
    if missing:
        near = near_misses(root, missing)
        raise UserError(
            f"{len(missing)} of {len(images)} images that {place} lists are not there, the first: {root / missing[0]}. "
            f"{f'{near}. ' if near else ''}Unpack {name} again, or remove those lines."
        )
    return images


def pictures_among(folder: Path | str, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """(the folder's pictures, its other files), both sorted: by suffix, and where that says nothing by content.

    Hidden files are neither.
    """
    shown = sorted(name for name in names if not name.startswith("."))
    pictures = [
        name
        for name in shown
        if name.lower().endswith(PICTURE_SUFFIXES) or looks_like_picture(os.path.join(folder, name))
    ]
    taken = set(pictures)
    return pictures, [name for name in shown if name not in taken]


def passed_over(files: Iterable[str]) -> str:
    """A line that counts files by their suffix: "files that are not read (...): 3 (.heic 2, no suffix 1)"."""
    files = list(files)
    kinds = Counter(os.path.splitext(file)[1].lower() or "no suffix" for file in files)
    counted = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    return f"files that are not read ({', '.join(DECODERS)} are): {len(files)} ({counted})"


def files_in(folder: Path) -> set[str]:
    """The names of the files in a folder; none when there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return set()
