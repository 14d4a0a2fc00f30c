"""A folder that fills up over many files says whose it is while it does, so that nobody else's is written into."""

from pathlib import Path

from .errors import UserError
from .files import read_json, write_json

MARKER = ".building.json"


def claim_folder(folder: Path, asked: dict) -> None:
    """Mark `folder` as being filled with `asked`. UserError when it holds anything but an unfinished build of that."""
    marker = folder / MARKER
    if marker.exists():
        was = read_json(marker)
        if changed := [key for key in {**was, **asked} if was.get(key) != asked.get(key)]:
            told = "; ".join(f"{key} was {was.get(key)!r}, is {asked.get(key)!r}" for key in changed)
            raise UserError(f"{folder} holds an unfinished build: {told}. Delete it, or choose another --out")
    # A process that is killed at once leaves the marker half-written.
    elif folder.is_dir() and any(not path.name.startswith(f".{MARKER}.") for path in folder.iterdir()):
        raise UserError(f"{folder} is not empty and holds no unfinished build; choose another --out")
    write_json(marker, asked)


def release_folder(folder: Path) -> None:
    """The folder is whole: its manifest is written."""
    (folder / MARKER).unlink()
