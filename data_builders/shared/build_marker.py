"""A folder that fills up over many files says whose it is while it does, so that nobody else's is written into."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from .errors import UserError
from .files import read_json, write_json

MARKER = ".building.json"
MANIFEST = "manifest.json"


def claim_folder(folder: Path, asked: dict, code: str, ours: Iterable[str]) -> None:
    """Mark `folder` as being filled with `asked` by the code with this hash.

    What an unfinished build by the same code has left there is kept. What other code has built or begun is taken away:
    the manifest and `ours`, places in the folder; others may have put sets of their own beside them.
    UserError when the folder holds anything but a build of `asked`.
    """
    marker = folder / MARKER
    if marker.exists():
        was = read_json(marker)
        before = was.get("asked", {})
        if changed := [key for key in {**before, **asked} if before.get(key) != asked.get(key)]:
            told = "; ".join(f"{key} was {before.get(key)!r}, is {asked.get(key)!r}" for key in changed)
            raise UserError(f"{folder} holds an unfinished build: {told}. Delete it, or choose another --out")
        if was.get("code") == code:
            return
    # A process that is killed at once leaves the marker half-written.
    elif folder.is_dir() and any(not path.name.startswith(f".{MARKER}.") for path in folder.iterdir()):
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


def release_folder(folder: Path) -> None:
    """The folder is whole: its manifest is written."""
    (folder / MARKER).unlink()
