"""Which files this process reads and writes meanwhile, whichever reader opens them: by Python's audit events."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .options import Options
from .shared.picture_formats import PICTURE_SUFFIXES

NOT_READ = ("cache", "model", "base_url")  # options that may look like a path, and name nothing that is read for itself
_active: list["Touched"] = []
_hooked: list[bool] = []


@dataclass
class Touched:
    """What this process touches meanwhile below `within`. Absolute paths."""

    within: tuple[str, ...]
    lists: set[str] = field(default_factory=set)  # files that were opened, but pictures
    folders: set[str] = field(default_factory=set)  # that were listed, or whose pictures were opened
    wrote: set[str] = field(default_factory=set)  # rows and questions that were put in their place

    def opened(self, path: str) -> None:
        path = os.path.abspath(path)
        if self.holds(path):
            if path.lower().endswith(PICTURE_SUFFIXES):
                self.folders.add(os.path.dirname(path))
            else:
                self.lists.add(path)

    def listed(self, path: str) -> None:
        path = os.path.abspath(path)
        if self.holds(path):
            self.folders.add(path)

    def renamed(self, path: str) -> None:
        if path.endswith(".jsonl") and not path.endswith("findings.jsonl"):  # which a later check writes anew
            self.wrote.add(os.path.abspath(path))

    def holds(self, path: str) -> bool:
        return any(path == top or path.startswith(top + os.sep) for top in self.within)


def note_read(path: Path) -> None:
    """For files that a library opens without Python."""
    for touched in _active:
        touched.opened(os.fspath(path))


def _hear(event: str, arguments: tuple) -> None:
    if not _active:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, str | bytes) and isinstance(flags, int) and flags & os.O_ACCMODE == os.O_RDONLY:
            for touched in _active:
                touched.opened(os.fsdecode(path))
    elif event in ("os.scandir", "os.listdir"):
        if isinstance(arguments[0], str | bytes | os.PathLike):
            for touched in _active:
                touched.listed(os.fsdecode(arguments[0]))
    elif event == "os.link":
        for touched in _active:
            touched.opened(os.fsdecode(arguments[0]))
    elif event == "os.rename":
        for touched in _active:
            touched.renamed(os.fsdecode(arguments[1]))


@contextmanager
def recorded(root: Path | None, options: Options) -> Iterator[Touched]:
    """Notes what is read below `root` and the places that the options name, and what is written."""
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_hear)  # whichever reader opens a file, and in whichever way
    places = [value for name, value in options if isinstance(value, str | Path) and name not in NOT_READ]
    tops = [*([root] if root is not None else []), *(Path(one) for one in places if one and os.path.exists(one))]
    touched = Touched(tuple(dict.fromkeys(p for top in tops for p in (os.path.abspath(top), os.path.realpath(top)))))
    _active.append(touched)
    try:
        yield touched
    finally:
        # Not remove(): equal ones may be nested.
        _active[:] = [one for one in _active if one is not touched]
