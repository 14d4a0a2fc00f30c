"""What lies on disk almost under the name of a missing file: another suffix, case or blank, a doubled folder."""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from .picture_formats import PICTURE_SUFFIXES

LOOKED_AT = 1000  # missing files that are looked for; more would take as long as the work itself
SHOWN = 3


def near_misses(root: Path, missing: Sequence[str]) -> str:
    """A sentence naming what is there in the place of `missing` (paths below `root`); empty when nothing is like them.

    For example: "'p1.gif' is there for 'p1.jpg' (3 of 3 have such a near name)".
    """
    looked_at = missing[:LOOKED_AT]
    found = [(path, near) for path in looked_at if (near := near_miss(root, path)) is not None]
    if not found:
        return ""
    shown = ", ".join(f"{near!r} is there for {path!r}" for path, near in found[:SHOWN])
    more = ", ..." if len(found) > SHOWN else ""
    return f"{shown}{more} ({len(found)} of {len(looked_at)} have such a near name)"


def near_miss(root: Path, relative: str) -> str | None:
    """A path below `root` that was probably meant by `relative`, which is not there; None when nothing is like it."""
    for candidate in _elsewhere(Path(root), relative):
        if (found := _alike(str(root), candidate)) is not None:
            return found
    return None


def _elsewhere(root: Path, relative: str) -> Iterator[str]:
    """The path itself, then as it would be where a folder is named twice, or once too often."""
    yield relative
    first, _, rest = relative.strip("/").partition("/")
    if rest:
        yield rest
    yield f"{root.name}/{relative}"
    if rest:
        yield f"{first}/{relative}"
    if len(inner := _folders(str(root))) == 1:
        yield f"{inner[0]}/{relative}"


def _alike(folder: str, relative: str) -> str | None:
    """The path as it is spelt on disk, each part taken for what it means."""
    found: list[str] = []
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        return None
    for place, part in enumerate(parts):
        names = _names(os.path.join(folder, *found))
        last = place == len(parts) - 1
        name = names.get(part) or names.get(_key(part)) or (names.get(_stem(part)) if last else None)
        if name is None:
            return None
        found.append(name)
    path = os.path.join(folder, *found)
    return "/".join(found) if os.path.isfile(path) else None


@lru_cache(maxsize=256)
def _names(folder: str) -> dict[str, str]:
    """Name -> itself, and what the name means or, for a picture, its stem -> a name."""
    try:
        there = sorted(os.listdir(folder))
    except OSError:
        return {}
    pictures = [name for name in there if name.lower().endswith(PICTURE_SUFFIXES) or "." not in name]
    return {_stem(name): name for name in pictures} | {_key(name): name for name in there} | {n: n for n in there}


@lru_cache(maxsize=16)
def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", " ".join(name.split())).casefold()


def _stem(name: str) -> str:
    """No name on disk has a slash in it, so a stem is never taken for a name."""
    return "/" + os.path.splitext(_key(name))[0].strip()
