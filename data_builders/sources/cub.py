"""CUB-200-2011 and whatever else lies on disk as it does: images.txt, classes.txt, image_class_labels.txt,
train_test_split.txt, images/.

FG-BMK's genus is the last word of the common name and its class is "aves"; a `taxonomy.csv` (species,genus,class)
beside images.txt says otherwise, as the drawn world's does. Attributes are those of the image where the archive's
attributes/image_attribute_labels.txt is there, else those of its class.
"""

import csv
from pathlib import Path

from ..shared.errors import UserError
from .base import About, Box, LabelledImage, Level, Source
from .cub_attributes import Attributes
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
    known = Attributes(root)
    of_images, boxes = known.of_images(paths), read_boxes(root / "bounding_boxes.txt")
    of_classes = known.of_classes(list(names)) if of_images is None else {}
    rows, used, birds = [], set(), {}
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
        parents = taxonomy.get(species) or birds.setdefault(species, {"class": "aves", "genus": species.split()[-1]})
        split = "train" if splits[key] == "1" else "test"
        if boxes and key not in boxes:
            raise UserError(f"{root / 'bounding_boxes.txt'} has no line for image {key} ({path}) of images.txt")
        attributes = of_classes.get(labels[key], {}) if of_images is None else of_images[key]
        rows.append(LabelledImage(f"images/{path}", species, split, parents, attributes, boxes.get(key)))
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
    return Source("cub", root, images, levels, meta="class", attribute_values=known.values)


def class_shares(root: Path) -> dict[str, dict[tuple[str, str], float]]:
    """Species -> (attribute, value) -> share of the annotators who saw it; empty where the archive has no such file."""
    names = table(root / "classes.txt")
    shares = Attributes(root).shares_of_classes(list(names))
    return {readable(names[key].split(".", 1)[-1]): found for key, found in shares.items()}


def table(path: Path) -> dict[str, str]:
    """A file of "key value" lines, keys as text."""
    rows: dict[str, str] = {}
    for number, line in numbered_lines(path):
        key, _, value = line.partition(" ")
        if not value or key in rows:
            raise UserError(f'{path}, line {number}: expected "id value" with a new id, not {line!r}')
        rows[key] = value.strip()
    return rows


def read_boxes(path: Path) -> dict[str, Box]:
    """image id -> x, y, width, height in pixels; empty when there is no file."""
    boxes: dict[str, Box] = {}
    for key, value in table(path).items() if path.exists() else ():
        numbers = value.split()
        try:
            x, y, width, height = (float(number) for number in numbers)
        except ValueError:
            raise UserError(f"{path}: image {key} has {value!r}, not x y width height") from None
        boxes[key] = (x, y, width, height)
    return boxes


def read_taxonomy(path: Path) -> dict[str, dict[str, str]]:
    """species -> {class, genus}; empty when there is no file."""
    if not path.exists():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if not {"species", "genus", "class"} <= set(reader.fieldnames or ()):
            raise UserError(f"{path}: the first line must be species,genus,class")
        return {readable(row["species"]): {"class": row["class"], "genus": row["genus"]} for row in reader}
