"""Your own data set: a folder per class, `<root>/[train|val|test/][<group>/...]<class>/<picture>`.

Names come from the folders ("001.Fish_crow" -> "fish crow"). Without train/, val/ and test/ every picture is a training
picture; a folder texts/ of the categories' texts is none of the classes then. Where each class lies in a folder of its
own group, that folder is the coarser level `group`. A `photos.csv` at the root (file,name[,split]) lists the pictures
instead, wherever below it they lie.

A `taxonomy.csv` at the root says more, for any number of levels:

    species,genus,order,aliases,attribute:bill shape
    Fish_crow,corvus,passerines,corvus ossifragus|beach crow,all-purpose

* the first column, or another that has most of them, has the class folders' names (as they are, or readable) and names
  the finest level;
* a column `name` has what the class is called, where the folder's name is a number or a code;
* further columns are levels from fine to coarse, each called as its column; together they must be a tree;
* `aliases` are other names of the class, separated by |;
* `attribute:<attribute>` columns are what all pictures of the class show, empty where nothing is known.
"""

import os
import re
import sys
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from ..shared.csv_tables import csv_rows
from ..shared.errors import UserError
from ..shared.terminal import say
from .base import About, LabelledImage, Level, Source
from .listed import LIST, listed
from .reading import check_images, passed_over, pictures_among, readable

ABOUT = About(
    title="your own: a folder per class",
    where="anywhere",
    layout="[train|val|test/][<group>/...]<class>/<picture>, or photos.csv (file,name,split); taxonomy.csv "
    "(category,level,level,...) for more levels",
)

# Of whatever case.
SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
NOT_THE_USERS = ("__MACOSX", "@eaDir")  # folders that an unpacker or a network drive has put there
PLURALS = {"genus": "genera", "species": "species", "series": "series", "phylum": "phyla"}


@dataclass(frozen=True)
class Entry:
    """What taxonomy.csv says of a class."""

    name: str
    parents: dict[str, str]  # coarse to fine
    aliases: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)


def read(root: Path) -> Source:
    """Levels [group >] category, or those of taxonomy.csv."""
    lines = root / LIST
    found = listed_pictures(lines) if lines.is_file() else list(pictures(root))
    if not found:
        raise UserError(f"{root} has no class folders with images; expected {root}/[train|test/]<class>/<picture>")
    path = root / "taxonomy.csv"
    used = dict.fromkeys(folders[-1] for _, _, folders in found)
    names, entries = read_taxonomy(path, used) if path.exists() else by_folders(found)
    if absent := [name for name in used if name not in entries]:
        raise UserError(f"{path} has no line for {len(absent)} classes, the first: {absent[0]!r}")
    if empty := [name for name in entries if name not in used]:
        raise UserError(f"{path}: {len(empty)} classes have no folder with images, the first: {empty[0]!r}")
    rows = []
    for image, split, folders in found:
        entry = entries[folders[-1]]
        rows.append(LabelledImage(image, entry.name, split, entry.parents, entry.attributes))
    values: dict[str, dict[str, None]] = {}
    for entry in entries.values():
        for attribute, value in entry.attributes.items():
            values.setdefault(attribute, {})[value] = None
    return Source(
        "folder",
        root,
        check_images("folder", root, rows, lines if lines.is_file() else root),
        tuple(Level(name, name, plural(name)) for name in names),
        aliases={entry.name: entry.aliases for entry in entries.values() if entry.aliases},
        attribute_values={attribute: tuple(known) for attribute, known in values.items()},
    )


def plain_name(folder: str) -> str:
    """A folder's name as a name of a category: without a number in front, in one spelling."""
    # A Mac writes accents as letters of their own, and they look no different.
    return readable(re.sub(r"^\d+\.", "", unicodedata.normalize("NFC", folder)))


def plural(name: str) -> str:
    """The English plural of a name."""
    if name in PLURALS:
        return PLURALS[name]
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


def pictures(root: Path) -> Iterator[tuple[str, str, list[str]]]:
    """(path, split, readable folder names) of every picture, sorted. UserError for a folder without any."""
    there = sorted(one for one in os.listdir(root) if one.lower() in SPLIT_FOLDERS and (root / one).is_dir())
    there.sort(key=lambda one: list(SPLIT_FOLDERS).index(one.lower()))
    tops = [(SPLIT_FOLDERS[one.lower()], one) for one in there]
    if not {"train", "test"} & {split for split, _ in tops}:
        tops = [("train", "")]
    for split, top in tops:
        kept: dict[tuple[str, ...], list[str]] = {}  # folder names -> their readable form, one list for all its images
        for folders, files in walk(root / top, skip=() if top else ("texts",)):
            names = kept.setdefault(folders, [plain_name(one) for one in folders])
            lead = "/".join(filter(None, (top, *folders)))
            yield from ((f"{lead}/{file}", split, names) for file in files)


def listed_pictures(lines: Path) -> list[tuple[str, str, list[str]]]:
    """As `pictures` gives them, of a list: the name is the only folder."""
    names: dict[str, list[str]] = {}  # one list for all pictures of a name
    return [(file, split, names.setdefault(name, [plain_name(name)])) for file, split, name in listed(lines)]


def walk(top: Path, skip: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """(folder names below `top`, picture files) of each folder with pictures, sorted; links are followed."""
    empty: list[str] = []
    left: list[str] = []  # files that are no pictures
    filled: set[str] = set()
    seen: set[str] = set()
    for here, folders, files in os.walk(top, followlinks=True):
        seen_here = (one for one in folders if not one.startswith(".") and one not in NOT_THE_USERS)
        folders[:] = sorted(one for one in seen_here if here != str(top) or one not in skip)
        real = os.path.realpath(here)
        if real in seen:
            raise UserError(f"{here} is a link to a folder that is read already; remove it")
        seen.add(real)
        if here == str(top):
            continue
        shown, others = pictures_among(here, files)
        left += [os.path.join(here, other) for other in others]
        if not shown:
            empty.append(here)
            continue
        above = here
        while above not in filled and above != str(top):
            filled.add(above)
            above = os.path.dirname(above)
        yield Path(here).relative_to(top).parts, shown
    if empty := [here for here in empty if here not in filled]:
        inside = [file for file in left if os.path.dirname(file) == empty[0]]
        more = f" ({passed_over(inside)})" if inside else ""
        raise UserError(f"{empty[0]} has no image; remove the folder or fill it{more}")
    if left:
        say(f"{top}: {passed_over(left)}; the first: {left[0]}", file=sys.stderr)


def by_folders(found: list[tuple[str, str, list[str]]]) -> tuple[tuple[str, ...], dict[str, Entry]]:
    """Level names and entries by the folders alone. UserError when two class folders have the same name."""
    grouped = all(len(folders) >= 2 for _, _, folders in found)
    owner: dict[str, list[str]] = {}
    for image, _, folders in found:
        if owner.setdefault(folders[-1], folders) != folders:
            raise UserError(
                f"{image}: two class folders are both called {folders[-1]!r} "
                f"({'/'.join(owner[folders[-1]])} and {'/'.join(folders)}); rename one"
            )
    entries = {name: Entry(name, {"group": folders[-2]} if grouped else {}) for name, folders in owner.items()}
    return ("group", "category") if grouped else ("category",), entries


def read_taxonomy(path: Path, used: Collection[str] = ()) -> tuple[tuple[str, ...], dict[str, Entry]]:
    """Level names from coarse to fine, and class folder (readable) -> entry.

    `used`: the class folders. Their names stand in the first column, or in the one that has most of them.
    """
    rows = list(csv_rows(path))
    if not rows:
        raise UserError(f"{path} has no lines below the first")
    header = list(rows[0][1])
    key_column = max(header, key=lambda one: sum(plain_name(row[one]) in used for _, row in rows))
    coarser = [one for one in header if is_level(one, [row[one] for _, row in rows]) and one != key_column]
    finest = "category" if key_column == "name" else key_column
    entries: dict[str, Entry] = {}
    names: set[str] = set()
    above: dict[tuple[str, str], tuple[str, str]] = {}  # (level, label) -> its parent's label, where that was said
    for number, row in rows:
        place = f"{path}, line {number}"
        key = plain_name(row[key_column])
        name = " ".join(row.get("name", "").lower().split()) or key
        if not key or key in entries or name in names:
            raise UserError(f"{place}: class {key!r} ({name!r}) is empty or there for the second time")
        names.add(name)
        for level in coarser:
            if not row[level]:
                raise UserError(f"{place}: {level} of {key!r} is empty; write one for each class")
        for level, parent in pairwise(coarser):
            label, now = row[level].lower(), row[parent].lower()
            was, said = above.setdefault((level, label), (now, place))
            if was != now:
                raise UserError(f"{place}: {level} {label!r} lies under {parent} {now!r}, but under {was!r} in {said}")
        given = {one.removeprefix("attribute:"): row[one].lower() for one in header if one.startswith("attribute:")}
        entries[key] = Entry(
            name,
            {level: row[level].lower() for level in reversed(coarser)},
            tuple(alias.strip().lower() for alias in row.get("aliases", "").split("|") if alias.strip()),
            {attribute: value for attribute, value in given.items() if value},
        )
    return (*reversed(coarser), finest), entries


def is_level(column: str, values: list[str]) -> bool:
    """Does the column name a coarser level? Neither what has another meaning does, nor what counts the lines."""
    if column in ("name", "aliases") or column.startswith("attribute:"):
        return False
    return not (all(value.isdigit() for value in values) and len(set(values)) == len(values) > 1)
