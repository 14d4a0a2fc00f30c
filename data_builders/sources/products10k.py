"""Products-10K: train.csv (name, class, group), test.csv or test_kaggletest.csv, pictures in train/ and test/.

Classes and groups are numbers there; a `taxonomy.csv` (class,name or class,name,group name) at the root gives names.
The test list of the challenge has no groups: a class has the group of its training images.
"""

from pathlib import Path

from ..shared.csv_tables import csv_rows
from ..shared.errors import UserError
from .base import About, LabelledImage, Level, Source
from .reading import check_images

ABOUT = About(
    title="Products-10K",
    where="https://products-10k.github.io/challenge.html#downloads",
    layout="train.csv, test.csv or test_kaggletest.csv, train/, test/; taxonomy.csv (class,name) if you have names",
)


def read(root: Path) -> Source:
    """Levels group > category."""
    names, group_names = read_names(root / "taxonomy.csv")
    test = next((root / file for file in ("test.csv", "test_kaggletest.csv") if (root / file).exists()), None)
    if test is None:
        raise UserError(f"no file test.csv or test_kaggletest.csv in {root}; is the root the data set's own folder?")
    known: dict[str, tuple[str, dict[str, str]]] = {}  # class -> name, parents
    groups: dict[str, str] = {}
    nothing: dict[str, str] = {}
    rows = []
    for split, path in (("train", root / "train.csv"), ("test", test)):
        columns = ("name", "class", "group") if split == "train" else ("name", "class")
        for number, row in csv_rows(path, columns):
            key = row["class"]
            if not key.isdigit():
                raise UserError(f"{path}, line {number}: class {key!r} is no number")
            if key not in known:
                if "group" not in row:
                    raise UserError(f"{path}, line {number}: class {key} is not in train.csv, so its group is unknown")
                if names and key not in names:
                    raise UserError(f"{root / 'taxonomy.csv'} has no line for class {key}")
                groups[key] = row["group"]
                group = group_names.get(key) or f"group {row['group']}"
                known[key] = (names.get(key, f"product {key}"), {"group": group})
            elif row.get("group", groups[key]) != groups[key]:
                raise UserError(f"{path}, line {number}: class {key} in group {row['group']}, before in {groups[key]}")
            name, parents = known[key]
            rows.append(LabelledImage(f"{split}/{row['name']}", name, split, parents, nothing))
    images = check_images("Products-10K", root, rows, root / "train.csv")
    levels = (Level("group", "product group", "product groups"), Level("category", "product", "products"))
    return Source("products10k", root, images, levels)


def read_names(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """class -> name, class -> its group's name; empty when there is no file."""
    names: dict[str, str] = {}
    groups: dict[str, str] = {}
    if not path.exists():
        return names, groups
    for number, row in csv_rows(path, ("class", "name")):
        if row["class"] in names or row["name"].lower() in names.values():
            raise UserError(f"{path}, line {number}: class {row['class']} or name {row['name']!r} for the second time")
        names[row["class"]] = row["name"].lower()
        groups[row["class"]] = row.get("group name", "").lower()
    return names, groups
