"""A folder that fills up over many files: one build at a time writes into it, and it says whose it is meanwhile."""

import os
import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UserError
from .files import write_json
from .locks import locked
from .state_files import read_state

MARKER = ".building.json"
MANIFEST = "manifest.json"
LOCK = ".lock"


@dataclass(frozen=True)
class Mark:
    """What an unfinished build is of, and the code that began it."""

    asked: dict[str, Any]
    code: str | None


def build_lock(folder: Path, out: Path) -> AbstractContextManager[None]:
    """Whoever else builds into `folder`, which is `out` or lies in it, is waited for."""
    waiting = f"{folder}: another process builds it; waiting until it is there"
    folder, out = folder.resolve(), out.resolve()  # one lock, however the folder is spelt
    name = ".".join([out.name, *folder.relative_to(out).parts])
    # Beside it: inside, the lock alone would make it a folder that is not empty. Only a place that somebody was given
    # in a folder that is not his has no room beside it.
    beside = out if out.is_dir() and not os.access(out.parent, os.W_OK) else out.parent
    return locked(beside / f".{name}{LOCK}", waiting=waiting)


def claim_folder(folder: Path, asked: dict, code: str, ours: Iterable[str]) -> None:
    """Mark `folder` as being filled with `asked` by the code with this hash.

    What an unfinished build by the same code has left there is kept. What other code has built or begun is taken away:
    the manifest and `ours`, places in the folder; others may have put sets of their own beside them.
    UserError when the folder holds anything but a build of `asked`.
    """
    marker = folder / MARKER
    if marker.exists():
        was = read_state(marker, Mark, f"Delete {folder}, and it is built from the beginning")
        before = was.asked
        if changed := [key for key in {**before, **asked} if before.get(key) != asked.get(key)]:
            told = "; ".join(f"{key} was {before.get(key)!r}, is {asked.get(key)!r}" for key in changed)
            raise UserError(f"{folder} holds an unfinished build: {told}. Delete it, or choose another --out")
        if was.code == code:
            return
    elif folder.is_dir() and not all(map(_is_nothing, folder.iterdir())):
        if not (folder / MANIFEST).exists():
            raise UserError(f"{folder} is not empty and holds no unfinished build; choose another --out")
    # Killed between here and the last line, the next start takes away what is left.
    write_json(marker, {"asked": asked, "code": None})
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in ours:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    write_json(marker, {"asked": asked, "code": code})


def _is_nothing(path: Path) -> bool:
    """What a process that was killed at once leaves of the marker, and locks of what is built or was to be."""
    name = path.name.removesuffix(".held")
    return name.startswith(f".{MARKER}.") or (name.startswith(".") and name.endswith(LOCK))


def release_folder(folder: Path) -> None:
    """The folder is whole: its manifest is written."""
    (folder / MARKER).unlink()
