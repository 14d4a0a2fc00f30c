"""VegFru: veg200_images/ and fru92_images/ with lists "Chinese_artichoke/v_14_01_0001.jpg 13" of each split.

A picture's name says the rest: v or f, the number of the super-class, that of the class in it, that of the picture.
The lists come in two forms with the same content: veg200_lists/ and fru92_lists/, or vegfru_list/ for both together.
One of the two parts alone will do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..shared.errors import UserError
from .base import About, LabelledImage, Level, Source
from .reading import check_images, numbered_lines, spelled

ABOUT = About(
    title="VegFru",
    where="https://github.com/ustc-vim/vegfru",
    layout="veg200_images/, veg200_lists/, fru92_images/, fru92_lists/ (or vegfru_list/ for both)",
)

SPLITS = ("train", "val", "test")
PICTURE = re.compile(r"(?:v|f)_(\d+)_\d+_\d+\.\w+")


@dataclass(frozen=True)
class Part:
    group: str
    folder: str
    short: str  # in the names of lists
    superclasses: tuple[str, ...]  # by the number in pictures' names, from 1; no list names them


VEGETABLES = Part(
    "vegetable",
    "veg200",
    "veg",
    (
        *("alliaceous vegetable", "aquatic vegetable", "beans", "bud seedling", "cabbage", "brassica oleracea"),
        *("eggplant family", "green-leafy vegetable", "melon", "mushroom", "mustard family", "perennial vegetable"),
        *("root vegetable", "tuber vegetable", "wild vegetable"),
    ),
)
FRUITS = Part(
    "fruit",
    "fru92",
    "fru",
    (
        *("berry fruit", "citrus fruit", "collective fruit", "cucurbits", "drupe", "litchis", "nut fruit"),
        *("other fruit", "persimmons and jujubes", "pome"),
    ),
)
PARTS = (VEGETABLES, FRUITS)
# No picture bears these; with them a question about the group has four options.
OTHER_GROUPS = ("grain", "flower", "tree")


@dataclass(frozen=True)
class Line:
    """One line of a list: `name` is the class's folder."""

    place: str
    part: Part
    split: str
    name: str
    picture: str
    label: int


def read(root: Path) -> Source:
    """Levels group > superclass > category; meta-class word "vegetable" or "fruit"."""
    nothing: dict[str, str] = {}
    names: dict[tuple[str, str], str] = {}  # group and class folder -> category
    parents: dict[str, dict[str, str]] = {}  # category -> its parents, shared by its pictures
    folder_of: dict[tuple[str, int], str] = {}
    label_of: dict[tuple[str, str], int] = {}
    rows = []
    for line in listed(root):
        key = (line.part.group, line.name)
        if label_of.setdefault(key, line.label) != line.label:
            raise UserError(f"{line.place}: {line.name} has label {line.label}, elsewhere {label_of[key]}")
        owner = folder_of.setdefault((line.part.group, line.label), line.name)
        if owner != line.name:
            raise UserError(f"{line.place}: {line.name} has label {line.label}, as {owner} has")
        if key not in names:
            category = names[key] = spelled(line.name)
            if category in parents:
                raise UserError(f"{line.place}: a vegetable and a fruit are both called {category!r}; rename one")
            parents[category] = {"group": line.part.group, "superclass": superclass(line)}
        path = f"{line.part.folder}_images/{line.name}/{line.picture}"
        rows.append(LabelledImage(path, names[key], line.split, parents[names[key]], nothing))
    check_labels(root, folder_of)
    images = check_images("VegFru", root, rows, root)
    levels = (
        Level("group", "group", "groups", OTHER_GROUPS),
        Level("superclass", "super-class", "super-classes"),
        Level("category", "fine-grained category", "fine-grained categories"),
    )
    return Source("vegfru", root, images, levels, meta="group")


def listed(root: Path) -> Iterator[Line]:
    """The lines of all lists."""
    if (folder := root / "vegfru_list").is_dir() and not any(
        (root / f"{part.folder}_lists").is_dir() for part in PARTS
    ):
        folders = {f"{part.folder}_images": part for part in PARTS}
        for split in SPLITS:
            for place, path, label in pairs(folder / f"vegfru_{split}.txt"):
                top, _, rest = path.partition("/")
                if top not in folders:
                    raise UserError(f"{place}: {path!r} must start with {' or '.join(folders)}")
                yield line_of(place, folders[top], split, rest, label)
        return
    # Where a part's pictures are, its lists must be.
    there = [part for part in PARTS if any((root / f"{part.folder}_{what}").is_dir() for what in ("lists", "images"))]
    for part in there or PARTS:
        for split in SPLITS:
            for place, path, label in pairs(root / f"{part.folder}_lists" / f"{part.short}_{split}.txt"):
                yield line_of(place, part, split, path, label)


def pairs(path: Path) -> Iterator[tuple[str, str, int]]:
    """Place, picture and label of each line."""
    for number, line in numbered_lines(path):
        place = f"{path}, line {number}"
        picture, _, label = line.rpartition(" ")
        if not label.isdecimal() or not picture:
            raise UserError(f'{place}: expected "picture label" with a label from 0 on, not {line!r}')
        yield place, picture.strip(), int(label)


def line_of(place: str, part: Part, split: str, path: str, label: int) -> Line:
    name, _, picture = path.rpartition("/")
    if not name or "/" in name or name in (".", ".."):
        raise UserError(f'{place}: expected "class/picture", not {path!r}')
    return Line(place, part, split, name, picture, label)


def superclass(line: Line) -> str:
    found = PICTURE.fullmatch(line.picture)
    number = int(found[1]) if found else 0
    if not 1 <= number <= len(line.part.superclasses):
        raise UserError(
            f"{line.place}: {line.picture!r} names no super-class; expected a name like v_14_01_0001.jpg, "
            f"where 14 is the super-class (1 to {len(line.part.superclasses)})"
        )
    return line.part.superclasses[number - 1]


def check_labels(root: Path, folder_of: dict[tuple[str, int], str]) -> None:
    """Labels go from 0 on without a gap, as far as the list of classes goes where there is one."""
    for part in PARTS:
        labels = {label for group, label in folder_of if group == part.group}
        path = root / f"{part.folder}_lists" / f"{part.short}_subclasses.txt"
        names = [name for _, name in numbered_lines(path)] if labels and path.exists() else []
        classes = len(names) or max(labels, default=-1) + 1
        if beyond := sorted(labels - set(range(classes))):
            name = folder_of[part.group, beyond[0]]
            raise UserError(
                f"label {beyond[0]} ({name}) is out of range: {path} has {classes} classes, 0 to {classes - 1}"
            )
        # The merged lists number both parts together.
        if names and (empty := sorted(set(range(classes)) - labels)):
            raise UserError(f"{path}: {len(empty)} classes have no image, the first: {names[empty[0]]}")
