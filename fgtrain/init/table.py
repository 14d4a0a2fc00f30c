"""A table of photos as people's spreadsheets write it: which column holds the files, the names, the split, levels."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from data_builders.shared.csv_tables import csv_rows
from data_builders.sources.listed import SPLIT_NAMES
from evaluation.scoring.spreadsheets import sheet_rows
from fgtrain.errors import UserError

READ = (".csv", ".tsv", ".txt", ".xlsx")
NOT_READ = (".xls", ".ods", ".numbers")
EXCEL, OLD_EXCEL = b"PK\3\4", b"\xd0\xcf\x11\xe0"
OWN = ("taxonomy.csv",)  # tables that say something else
# Headers that say it in the languages that came to mind first; the first that is there counts.
NAMES = ("name", "label", "class", "category", "species", "klasse", "art", "classe", "espece", "espèce", "especie")
RESERVED = ("category", "name", "aliases", "file", "split")


@dataclass(frozen=True)
class Line:
    """One line of a table, with the photo that it means."""

    place: str  # for messages
    file: str  # relative to the photos' folder
    values: dict[str, str]


@dataclass(frozen=True)
class PhotoTable:
    path: Path
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    file_column: str
    splits: str | None  # the column that holds them

    def column(self, wanted: str, option: str) -> str:
        """The column called so, in whatever case. UserError lists what there is."""
        found = [one for one in self.columns if one.casefold() == wanted.casefold()]
        if not found:
            raise UserError(f"{option} {wanted}: {self.path} has no such column. It has {', '.join(self.columns)}")
        return found[0]

    def names_column(self, wanted: str | None, *, optional: bool) -> str | None:
        """The column of the names: the one asked for, else by its header, else the only one that is left. UserError
        where it cannot be told, or None where it need not be."""
        if wanted is not None:
            return self.column(wanted, "--name")
        by_header = {one.casefold(): one for one in reversed(self.columns)}
        for header in NAMES:
            if header in by_header:
                return by_header[header]
        left = [one for one in self.columns if one not in (self.file_column, self.splits)]
        if len(left) == 1 and not optional:
            return left[0]
        if optional:
            return None
        raise UserError(
            f"{self.path}: which column has the names of what the photos show? Say it: --name COLUMN. It has "
            f"{', '.join(self.columns)}"
        )


@dataclass
class Pictures:
    """The pictures below a folder, found by what a table may call them."""

    files: list[str]
    _by: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for file in self.files:
            whole = unicodedata.normalize("NFC", file.casefold())
            base = whole.rpartition("/")[2]
            for key in dict.fromkeys((whole, base, base.rpartition(".")[0])):
                self._by.setdefault(key, []).append(file)

    def meant(self, cell: str) -> str | None:
        """The one picture that a cell means: its path, its path without the first folders, its name, with or without
        suffix. None where there is none, or are several."""
        key = unicodedata.normalize("NFC", cell.replace("\\", "/").removeprefix("./").strip("/").casefold())
        if ".." in key.split("/"):
            return None  # another folder's
        while key:
            if len(found := self._by.get(key, ())) == 1:
                return found[0]
            key = key.partition("/")[2]
        return None


def read_rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    """(place, column -> text) of each line. UserError for a table that cannot be read."""
    with open(path, "rb") as file:
        head = file.read(4)
    if head == OLD_EXCEL:
        raise UserError(f"{path} cannot be read: it is an old Excel file, whatever its name. Save it as .xlsx or .csv")
    if head == EXCEL:  # by content: people rename what they should save anew
        return [(f"{path}, row {number}", row) for number, row in enumerate(sheet_rows(path), 2)]
    return [(f"{path}, line {number}", row) for number, row in csv_rows(path)]


def find_table(folder: Path, named: Path | None, pictures: Pictures, *, needed: bool) -> PhotoTable | None:
    """The table in the folder (or the one that was `named`) one of whose columns means its pictures; None without.

    UserError for several, for one that was named or is `needed` and cannot be read, for lines that mean no picture.
    """
    tables = [named] if named else sorted(p for p in folder.iterdir() if p.suffix.lower() in READ and p.is_file())
    found, faults, other = [], [], []
    for path in tables:
        if named is None and (path.name in OWN or path.name.startswith((".", "~"))):
            continue
        try:
            table = as_photo_table(path, pictures)
        except UserError as error:
            faults.append(error)
            continue
        if table is not None:
            found.append(table)
        else:
            other.append(path)
    if len(found) > 1:
        several = ", ".join(table.path.name for table in found)
        raise UserError(f"{folder} has several tables of its photos: {several}. Name the one that counts as PHOTOS")
    if found:
        return found[0]
    if faults and needed:
        raise faults[0]
    if other and needed and named is None:
        raise UserError(
            f"{other[0]}: no column has the names of the photos' files, as {pictures.files[0]!r} is one. Correct it, "
            "or put photos into a folder per class"
        )
    if named is not None:
        raise UserError(f"{named}: no column names photos of {folder}. One must hold their file names")
    others = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in NOT_READ)
    if others and needed:
        raise UserError(f"{folder / others[0]} cannot be read. Save it as .xlsx or .csv")
    return None


def as_photo_table(path: Path, pictures: Pictures) -> PhotoTable | None:
    """The file as a table of photos, or None where no column means as many as half of its lines."""
    rows = read_rows(path)
    if not rows:
        return None
    columns = tuple(rows[0][1])
    if headers := [one for one in columns if pictures.meant(one)]:
        raise UserError(f"{path}: the first line is about the photo {headers[0]}. Write one above it: file,name")
    counts = {one: sum(pictures.meant(row.get(one, "")) is not None for _, row in rows) for one in columns}
    column = max(columns, key=counts.__getitem__)
    if 2 * counts[column] < len(rows) or not counts[column]:
        return None
    lines: dict[str, Line] = {}
    lost = []
    for place, row in rows:
        file = pictures.meant(row[column])
        if file is None:
            lost.append(f"{place}: {row[column]!r}")
        elif file in lines:
            raise UserError(
                f"{place}: {row[column]!r} is listed a second time, first in {lines[file].place}. Remove one"
            )
        else:
            lines[file] = Line(place, file, row)
    if lost:
        raise UserError(
            f"{path}: {len(lost)} of {len(rows)} lines name photos that are not there (or several at once), the first: "
            f"{lost[0]}. Correct them, or remove the lines"
        )
    splits = next((one for one in columns if one != column and is_split([row[one] for _, row in rows])), None)
    return PhotoTable(path, columns, tuple(lines.values()), column, splits)


def is_split(values: Iterable[str]) -> bool:
    """Do the values part photos into those to learn from and those to be asked about?"""
    found = {SPLIT_NAMES.get(value.casefold()) for value in values}
    return None not in found and {"train", "test"} <= found


def levels_of(labels: Mapping[str, Iterable[Mapping[str, str]]], columns: Iterable[str]) -> tuple[str, ...]:
    """Columns that are coarser names, coarse to fine: each has one value for every name, fewer values than there are
    names, and together they are a tree. `labels`: name -> the lines that bear it."""
    one_each: dict[str, dict[str, str]] = {}
    for column in columns:
        values = {name: {line[column].strip().casefold() for line in lines} for name, lines in labels.items()}
        single = {name: next(iter(some)) for name, some in values.items() if len(some) == 1 and "" not in some}
        if len(single) == len(labels) and 1 < len(set(single.values())) < len(labels):
            one_each[column] = single
    ordered = sorted(one_each, key=lambda column: len(set(one_each[column].values())))
    kept: list[str] = []
    for column in ordered:
        if all(is_tree(one_each[above], one_each[below]) for above, below in pairwise([*kept, column])):
            kept.append(column)
    return tuple(kept)


def is_tree(above: Mapping[str, str], below: Mapping[str, str]) -> bool:
    """Does each label below lie under one label above?"""
    parents: dict[str, str] = {}
    return all(parents.setdefault(below[name], above[name]) == above[name] for name in below)
