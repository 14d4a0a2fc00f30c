"""What is in a folder of photos: what each shows, by class folders or by a table, and on which side it stands."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from data_builders.sources.folder import NOT_THE_USERS, SPLIT_FOLDERS, by_folders, plain_name
from data_builders.sources.folder import pictures as in_class_folders
from data_builders.sources.listed import SPLIT_NAMES
from data_builders.sources.reading import passed_over, pictures_among
from fgtrain.errors import UserError

from .table import READ, RESERVED, PhotoTable, Pictures, find_table, levels_of

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z")
SIDES = {"train": "train", "val": "train", "test": "test"}


@dataclass(frozen=True)
class Photo:
    """One photo: `file` below the folder, `name` as it is written, `side` train, test or "" (not said)."""

    file: str
    name: str
    side: str = ""
    group: str = ""  # photos of one group stay on one side; "" = alone


@dataclass(frozen=True)
class Found:
    """A folder of photos as it was understood."""

    root: Path
    photos: tuple[Photo, ...]
    called: dict[str, str]  # name as written -> how a question calls it
    levels: tuple[str, ...] = ()  # coarser than names, coarse to fine
    parents: dict[str, dict[str, str]] = field(default_factory=dict)  # name -> level -> label
    by: str = "class folders"
    taxonomy: Path | None = None  # the user's own
    notes: tuple[str, ...] = ()

    @property
    def sided(self) -> bool:
        """Do the folders or the table say on which side each photo stands?"""
        return all(photo.side for photo in self.photos)


def look(place: Path, name: str | None = None, group: str | None = None) -> Found:
    """The photos at `place`, a folder or a table beside them. `name`, `group`: columns of the table.

    UserError where no photo, no name or no such column is found.
    """
    if not place.exists():
        raise UserError(f"no folder {place}. Name the folder that your photos lie in")
    if place.is_file() and place.suffix.lower() not in READ:
        archive = place.suffix.lower() in ARCHIVES
        raise UserError(
            f"{place} is {'an archive. Unpack it, and n' if archive else 'a file. N'}ame the photos' folder"
        )
    named = place if place.is_file() else None
    root = place.parent if named else place
    files, others = all_pictures(root)
    if not files:
        passed = f" ({passed_over(others)})" if others else ""
        raise UserError(
            f"{root} has no photos{passed}. Name the folder with a folder per class, or with photos and a table"
            f"{to_convert(passed)}"
        )
    folders = all("/" in inside(file) for file in files)
    needed = not folders or name is not None or group is not None
    table = find_table(root, named, Pictures(files), needed=needed)
    if table is None and (name or group):
        option = f"--group {group}" if group else f"--name {name}"
        raise UserError(f"{option} is a column of a table, and {root} has none with the file names of its photos")
    if table is None and not folders:
        loose = next(file for file in files if "/" not in inside(file))
        raise UserError(
            f"{root / loose} lies in no class folder, and no table says what it shows. Put photos into a folder per "
            f"class, or a table beside them (photos.csv: file,name)"
        )
    column = table.names_column(name, optional=folders) if table is not None else None
    if table is None or column is None:
        return by_class_folders(root, table, group)
    return by_table(root, table, column, group, files)


def all_pictures(root: Path) -> tuple[list[str], list[str]]:
    """(pictures, other files) below `root`, each folder's sorted."""
    found: list[str] = []
    others: list[str] = []
    for here, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one not in NOT_THE_USERS)
        if len(Path(here).relative_to(root).parts) > 8:
            raise UserError(f"{here}: folders lie more than eight deep, or a link leads back. Name a folder below")
        lead = Path(here).relative_to(root).as_posix()
        pictures, rest = pictures_among(here, files)
        found += [file if lead == "." else f"{lead}/{file}" for file in pictures]
        others += rest
    return found, others


def to_convert(told: str) -> str:
    """What to do with a phone's photos, where the message tells of such."""
    heic = ".hei" in told.lower()
    return ". HEIC is not read: save such photos as JPEG (a phone's setting 'most compatible'; heif-convert)" * heic


def inside(file: str) -> str:
    """The path without a first folder that only says on which side a photo stands."""
    first, slash, rest = file.partition("/")
    return rest if slash and first.lower() in SPLIT_FOLDERS else file


def by_class_folders(root: Path, table: PhotoTable | None, group: str | None) -> Found:
    """Names from folders; a table without names may still say groups."""
    try:
        rows = list(in_class_folders(root))
    except UserError as error:
        raise UserError(f"{error}{to_convert(str(error))}") from None
    names, entries = by_folders(rows)
    grouped = group_of_files(table, group)
    missing = [file for file, _, _ in rows if grouped and file not in grouped]
    if missing:
        raise UserError(f"{table.path} has no line for {len(missing)} photos, the first: {missing[0]!r}")
    split = any(side == "test" for _, side, _ in rows)
    photos, called, parents = [], {}, {}
    spelt: dict[str, str] = {}  # readable -> as its first folder is called
    merged: dict[str, dict[str, None]] = {}  # label -> folders that are called otherwise
    for file, side, folders in rows:
        own = Path(file).parent.name
        label = spelt.setdefault(folders[-1], own)
        if own != label:
            merged.setdefault(label, {})[own] = None
        called[label], parents[label] = spoken(folders[-1]), dict(entries[folders[-1]].parents)
        photos.append(Photo(file, label, SIDES[side] if split else "", grouped.get(file, "")))
    taxonomy = root / "taxonomy.csv" if (root / "taxonomy.csv").is_file() else None
    notes = tuple(f"one class: the folders {', '.join((label, *others))}" for label, others in merged.items())
    return Found(root, tuple(photos), called, names[:-1], parents, taxonomy=taxonomy, notes=notes)


def group_of_files(table: PhotoTable | None, group: str | None) -> dict[str, str]:
    if table is None or group is None:
        return {}
    column = table.column(group, "--group")
    return {line.file: line.values[column] for line in table.lines}


def by_table(root: Path, table: PhotoTable, column: str, group: str | None, files: list[str]) -> Found:
    """Names, split, groups and levels from the table's columns."""
    grouped = group_of_files(table, group)
    photos, spelt = [], {}
    lines: dict[str, list[dict[str, str]]] = {}
    for line in table.lines:
        cell = line.values[column]
        key = plain_name(cell)
        if not key:
            raise UserError(f"{line.place}: {column} is {cell!r}. Write what the photo shows, or remove the line")
        label = spelt.setdefault(key, cell)
        lines.setdefault(label, []).append(line.values)
        side = side_of(line.values[table.splits]) if table.splits else ""
        photos.append(Photo(line.file, label, side, grouped.get(line.file, "")))
    used = {column, table.file_column, table.splits, group and table.column(group, "--group")}
    free = [one for one in table.columns if one not in used and level_name(one) not in RESERVED]
    levels = levels_of(lines, free)
    parents = {label: {level_name(one): spoken(some[0][one]) for one in levels} for label, some in lines.items()}
    listed = {photo.file for photo in photos}
    notes = []
    if left := [file for file in files if file not in listed]:
        count = "1 photo is" if len(left) == 1 else f"{len(left):,} photos are"
        notes.append(f"{count} in no line of {table.path.name} and not used, the first: {left[0]}")
    called = {label: spoken(label) or plain_name(label) for label in lines}
    return Found(
        root,
        tuple(sorted(photos, key=lambda photo: photo.file)),
        called,
        tuple(level_name(one) for one in levels),
        parents,
        by=f"{table.path.name} (files in {table.file_column}, names in {column})",
        notes=tuple(notes),
    )


def spoken(label: str) -> str:
    """As a question can say it: choices stand between quotes."""
    return " ".join(label.replace('"', "").replace("_", " ").lower().split())


def side_of(cell: str) -> str:
    return SIDES[SPLIT_NAMES[cell.casefold()]]


def level_name(column: str) -> str:
    """How a level is called in paths and questions."""
    return re.sub(r"\W+", "_", column.strip().lower()).strip("_")
