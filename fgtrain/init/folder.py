"""The folder that `fgtrain init` writes: never over what somebody has edited."""

import csv
import io
import os
from pathlib import Path

from data_builders.shared.files import atomic_write
from data_builders.sources.listed import LIST
from fgtrain.errors import UserError

from .photos import Found

DATA = (
    "data"  # folder of what sets are built from; nothing else lies in it, for whatever changes there builds them anew
)
LINK = "photos"  # in it, to the photos, so that one folder is the root of lists and pictures
LISTED, TAXONOMY = f"{DATA}/{LIST}", f"{DATA}/taxonomy.csv"


def claim(out: Path, photos: Path) -> None:
    """Make the folder, or take it where an earlier start has made it for the same photos. UserError for any other."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file. Name a folder")
    if out.resolve() == photos.resolve() or photos.resolve() in out.resolve().parents:
        raise UserError(f"--out {out} lies among your photos. Name a folder outside of {photos}")
    link = out / DATA / LINK
    if out.is_dir() and not link.is_symlink() and any(out.iterdir()):
        raise UserError(f"--out {out} is not empty, and not from an earlier start. Name another folder")
    if link.is_symlink() and link.resolve() != photos.resolve():
        raise UserError(f"{out} is of other photos ({link.resolve()}). Name another folder: --out DIR")
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            os.symlink(photos.resolve(), link, target_is_directory=True)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}). Name another folder: --out DIR") from None


def links_to(out: Path, photos: Path) -> bool:
    """Was the folder made for these photos?"""
    link = out / DATA / LINK
    return link.is_symlink() and link.resolve() == photos.resolve()


def listed(file: str) -> str:
    """How the list calls a photo."""
    return f"{LINK}/{file}"


def write_text(path: Path, text: str) -> str:
    """written, renewed, or there where it is the same already."""
    before = path.read_bytes() if path.exists() else None
    if before == text.encode():
        return "there"
    with atomic_write(path) as file:
        file.write(text)
    return "written" if before is None else "renewed"


def taxonomy_text(found: Found) -> str:
    """A line a class, to be filled: how it is called, the levels above it, other names of it."""
    fine_to_coarse = found.levels[::-1]
    rows = [["category", "name", *fine_to_coarse, "aliases"]]
    for label in found.called:
        levels = [found.parents.get(label, {}).get(level, "") for level in fine_to_coarse]
        rows.append([label, found.called[label], *levels, ""])
    return as_csv(rows)


def as_csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
