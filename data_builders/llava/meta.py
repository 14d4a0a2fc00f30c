"""Which files are read: the one that --file names, or those that InternVL's meta file lists.

A meta file: `{"name": {"root": "images/", "annotation": "rows.jsonl", "repeat_time": 1, "length": 1000, ...}, ...}`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from ..shared.errors import UserError
from ..shared.files import safe_join

LARGEST_META = 1 << 24  # bytes; a meta file has a few lines a data set
KEPT = ("root", "annotation", "length")
# What is not about rows, with its values that change nothing.
NEUTRAL = {"repeat_time": (1,), "data_augment": (False,)}


@dataclass(frozen=True)
class Part:
    """One file of rows."""

    path: Path
    name: str
    folder: str = ""  # of its images, below the image root; empty for the root itself
    length: int | None = None  # rows that it must have
    needs_placeholder: bool | None = None


def parts_of(path: Path, root: Path, image_root: Path, data_set: str | None, rows_only: bool) -> list[Part]:
    """The file itself, or the files that it lists. UserError when a meta file says what a training set cannot keep."""
    meta = read_meta(path)
    if meta is None:
        if data_set is not None:
            raise UserError(f"--data-set is {data_set!r}, but {path} is no meta file that lists data sets")
        return [Part(path, path.stem)]
    if data_set is not None and data_set not in meta:
        raise UserError(f"--data-set is {data_set!r}; {path} lists {', '.join(meta)}")
    chosen = meta if data_set is None else {data_set: meta[data_set]}
    if not rows_only:
        refuse_what_is_lost(path, chosen)
    return [part_of(path, name, entry, root, image_root) for name, entry in chosen.items()]


def read_meta(path: Path) -> dict[str, dict] | None:
    """The entries by name; None when the file is something else."""
    if not path.is_file() or path.stat().st_size > LARGEST_META:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not found:
        return None
    return found if all(isinstance(entry, dict) and "annotation" in entry for entry in found.values()) else None


def refuse_what_is_lost(path: Path, chosen: dict[str, dict]) -> None:
    """What says how rows are used, and not which, belongs to the recipe."""
    lost = [
        f"{name}.{key} is {value!r}"
        for name, entry in chosen.items()
        for key, value in entry.items()
        if key not in KEPT and value not in NEUTRAL.get(key, ())
    ]
    if lost:
        raise UserError(
            f"{path}: {', '.join(lost)}: a training set holds rows, and a recipe says how they are used (mix: passes "
            f"over each data set, augment, image_size). To take the rows and leave that out: --rows-only true; to "
            f"repeat data sets differently, build each alone: --data-set {next(iter(chosen))}"
        )


def part_of(path: Path, name: str, entry: dict, root: Path, image_root: Path) -> Part:
    for key in ("root", "annotation"):
        if not isinstance(entry.get(key, ""), str):
            raise UserError(f"{path}: {name}.{key} must be a path, not {entry[key]!r}")
    length = entry.get("length")
    if length is not None and not (isinstance(length, int) and length > 0):
        raise UserError(f"{path}: {name}.length must be a number of rows, not {length!r}")
    return Part(
        root / entry["annotation"], name, folder_of(path, name, entry.get("root", ""), image_root), length, False
    )


def folder_of(path: Path, name: str, given: str, image_root: Path) -> str:
    """The entry's image folder as a path below the image root."""
    if given.startswith("/"):
        try:
            found = Path(given).resolve().relative_to(image_root.resolve()).as_posix()
        except ValueError:
            raise UserError(
                f"{path}: {name}.root is {given}, which is not inside {image_root}; name a --root that holds all images"
            ) from None
    else:
        try:
            safe_join(image_root, given)
        except UserError:
            raise UserError(f"{path}: {name}.root is {given!r}, which leaves {image_root}") from None
        found = "/".join(part for part in given.split("/") if part not in ("", "."))
    return "" if found == "." else found
