"""CUB-200-2011 and whatever else lies on disk as it does: images.txt, classes.txt, image_class_labels.txt,
train_test_split.txt, images/.

FG-BMK's genus is the last word of the common name and its class is "aves"; a `taxonomy.csv` (species,genus,class)
beside images.txt says otherwise, as the drawn world's does.
"""

import csv
from pathlib import Path

from ..errors import UserError
from .base import About, LabelledImage, Level, Source
from .reading import check_images, numbered_lines, readable

ABOUT = About(
    title="CUB-200-2011",
    where="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    layout="images.txt, classes.txt, image_class_labels.txt, train_test_split.txt, images/, attributes/",
)

# The other classes that FG-BMK asks about on CUB; no image bears them.
OTHER_CLASSES = ("mammalia", "reptilia", "amphibia", "chondrichthyes", "insecta", "arachnida")
# The same for a taxonomy in plain English (the drawn world): with its two classes there are four options.
OTHER_PLAIN_CLASSES = ("insect", "mammal")


def read(root: Path) -> Source:
    """Levels class > genus > species; meta-class word "aves" (or the taxonomy's class). Image paths start "images/"."""
    names = table(root / "classes.txt")
    paths, labels, splits = (
        table(root / file) for file in ("images.txt", "image_class_labels.txt", "train_test_split.txt")
    )
    taxonomy = read_taxonomy(root / "taxonomy.csv")
    attributes = class_attributes(root, list(names))
    rows, used = [], set()
    for key, path in paths.items():
        for file, values in (("image_class_labels.txt", labels), ("train_test_split.txt", splits)):
            if key not in values:
                raise UserError(f"{root / file} has no line for image {key} ({path}) of images.txt")
        if labels[key] not in names:
            raise UserError(
                f"{root / 'image_class_labels.txt'}: image {key} has class {labels[key]!r}, "
                f"but classes.txt goes from {next(iter(names))} to {list(names)[-1]}"
            )
        if splits[key] not in ("0", "1"):
            raise UserError(f"{root / 'train_test_split.txt'}: image {key} has {splits[key]!r}; 1 = train, 0 = test")
        species = readable(names[labels[key]].split(".", 1)[-1])
        used.add(labels[key])
        if taxonomy and species not in taxonomy:
            raise UserError(f"{root / 'taxonomy.csv'} has no line for {species!r}")
        parents = taxonomy[species] if taxonomy else {"class": "aves", "genus": species.split()[-1]}
        split = "train" if splits[key] == "1" else "test"
        rows.append(LabelledImage(f"images/{path}", species, split, parents, attributes.get(labels[key], {})))
    if empty := [name for key, name in names.items() if key not in used]:
        raise UserError(
            f"{root / 'classes.txt'}: {len(empty)} classes have no image, the first: {empty[0]}. Remove their lines."
        )
    images = check_images("CUB_200_2011", root, rows, root / "images.txt")
    classes = {row.parents["class"] for row in images}
    outside = OTHER_CLASSES if classes == {"aves"} else OTHER_PLAIN_CLASSES
    levels = (
        Level("class", "class", "classes", outside),
        Level("genus", "genus", "genera"),
        Level("species", "species", "species"),
    )
    return Source("cub", root, images, levels, meta="class")


def table(path: Path) -> dict[str, str]:
    """A file of "key value" lines, keys as text."""
    rows: dict[str, str] = {}
    for number, line in numbered_lines(path):
        key, _, value = line.partition(" ")
        if not value or key in rows:
            raise UserError(f'{path}, line {number}: expected "id value" with a new id, not {line!r}')
        rows[key] = value.strip()
    return rows


def read_taxonomy(path: Path) -> dict[str, dict[str, str]]:
    """species -> {class, genus}; empty when there is no file."""
    if not path.exists():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if not {"species", "genus", "class"} <= set(reader.fieldnames or ()):
            raise UserError(f"{path}: the first line must be species,genus,class")
        return {readable(row["species"]): {"class": row["class"], "genus": row["genus"]} for row in reader}


def class_attributes(root: Path, class_ids: list[str]) -> dict[str, dict[str, str]]:
    """class id -> {"wing color": "red", ...}: of each group the value most annotators gave, if at least half did."""
    values = root / "attributes" / "class_attribute_labels_continuous.txt"
    # The official archive has the names one folder above the data set.
    names = next((p for p in (root / "attributes/attributes.txt", root.parent / "attributes.txt") if p.exists()), None)
    if not values.exists() or names is None:
        return {}
    pairs = [name.partition("::")[::2] for name in table(names).values()]
    lines = list(numbered_lines(values))
    # A slice of the classes keeps the lines of its own classes, or all 200.
    places = range(len(class_ids)) if len(lines) == len(class_ids) else [int(key) - 1 for key in class_ids]
    found: dict[str, dict[str, str]] = {}
    for key, place in zip(class_ids, places, strict=True):
        numbers = [float(value) for value in lines[place][1].split()] if place < len(lines) else []
        if len(numbers) != len(pairs):
            raise UserError(f"{values}, class {key}: {len(numbers)} values, but {names} lists {len(pairs)} attributes")
        best: dict[str, tuple[float, str]] = {}
        for (group, value), percent in zip(pairs, numbers, strict=True):
            if percent >= 50 and percent > best.get(group, (0, ""))[0]:
                best[group] = (percent, value)
        found[key] = {readable(group.removeprefix("has_")): readable(value) for group, (_, value) in best.items()}
    return found
