"""GroceryStoreDataset: train.txt, val.txt, test.txt ("path, class, coarse class"), classes.csv with both names."""

import csv
from pathlib import Path

from ..shared.errors import UserError
from .base import About, LabelledImage, Level, Source
from .reading import check_images, numbered_lines, readable

ABOUT = About(
    title="Grocery Store",
    where="https://github.com/marcusklasson/GroceryStoreDataset",
    layout="dataset/ with classes.csv, train.txt, val.txt, test.txt and the pictures",
)


def read(root: Path) -> Source:
    """Levels category > product. The source's root is the folder that holds classes.csv (the repository's dataset/)."""
    root = root / "dataset" if (root / "dataset").is_dir() else root
    classes = read_classes(root / "classes.csv")
    rows, used = [], set()
    # The validation list came later: older copies do not have it.
    splits = [split for split in ("train", "val", "test") if split != "val" or (root / "val.txt").exists()]
    for split, file in ((split, f"{split}.txt") for split in splits):
        for number, line in numbered_lines(root / file):
            parts = [part.strip() for part in line.split(",")]
            if len(parts) != 3:
                raise UserError(f'{root / file}, line {number}: expected "path, class, coarse class", not {line!r}')
            if parts[1] not in classes:
                raise UserError(f"{root / file}, line {number}: class {parts[1]!r} is not in classes.csv")
            name, coarse = classes[parts[1]]
            used.add(parts[1])
            rows.append(LabelledImage(parts[0], name, split, {"category": coarse}))
    if empty := [name for key, (name, _) in classes.items() if key not in used]:
        raise UserError(f"{root / 'classes.csv'}: {len(empty)} classes have no image, the first: {empty[0]}")
    images = check_images("GroceryStoreDataset", root, rows, root / "train.txt")
    levels = (Level("category", "category", "categories"), Level("product", "product", "products"))
    return Source("grocery", root, images, levels, meta="grocery item")


def read_classes(path: Path) -> dict[str, tuple[str, str]]:
    """class id -> (product name, coarse name)."""
    lines = [line for _, line in numbered_lines(path)]
    classes = {}
    for number, row in enumerate(csv.reader(lines[1:]), 2):
        if len(row) < 4:
            raise UserError(f"{path}, line {number}: expected name, id, coarse name, coarse id, ...; it is {row}")
        classes[row[1]] = (readable(row[0]), readable(row[2]))
    return classes
