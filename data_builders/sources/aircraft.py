"""FGVC-Aircraft (2013b): data/ with images/, lists of each split for each level, and images_box.txt.

Labels are spelt as the lists spell them ("747-400", "F/A-18", "Boeing"), which is also how FG-BMK asks for them.
"""

from pathlib import Path

from ..shared.errors import UserError
from .base import About, Box, LabelledImage, Level, Source
from .reading import check_images, numbered_lines, spelled

ABOUT = About(
    title="FGVC-Aircraft",
    where="https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/",
    layout="fgvc-aircraft-2013b/ with data/ (images/, images_variant_train.txt, ..., images_box.txt)",
)

SPLITS = ("train", "val", "test")


def read(root: Path) -> Source:
    """Levels manufacturer > family > variant; the source's root is the folder data/."""
    root = root / "data" if (root / "data").is_dir() else root
    names = {level: set(class_names(root, level)) for level in ("variants", "families", "manufacturers")}
    boxes = read_boxes(root / "images_box.txt")
    above: dict[str, dict[str, str]] = {}  # variant -> its parents, shared by its pictures
    rows = []
    for split in SPLITS:
        lists = [root / f"images_{level}_{split}.txt" for level in ("variant", "family", "manufacturer")]
        variants, families, manufacturers = (
            read_list(path, names[known], known) for path, known in zip(lists, names, strict=True)
        )
        for image, variant in variants.items():
            for path, labels in ((lists[1], families), (lists[2], manufacturers)):
                if image not in labels:
                    raise UserError(f"{path} has no line for image {image} of {lists[0].name}")
            parents = {"manufacturer": manufacturers[image], "family": families[image]}
            if above.setdefault(variant, parents) != parents:
                raise UserError(
                    f"{lists[0]}, image {image}: {variant} is of {describe(parents)}, elsewhere of "
                    f"{describe(above[variant])}"
                )
            if boxes and image not in boxes:
                raise UserError(f"{root / 'images_box.txt'} has no line for image {image} of {lists[0].name}")
            rows.append(LabelledImage(f"images/{image}.jpg", variant, split, above[variant], {}, boxes.get(image)))
    if empty := [name for name in class_names(root, "variants") if name not in above]:
        raise UserError(f"{root / 'variants.txt'}: {len(empty)} variants have no image, the first: {empty[0]}")
    images = check_images("FGVC-Aircraft", root, rows, root / "images_variant_*.txt")
    levels = (
        Level("manufacturer", "manufacturer", "manufacturers"),
        Level("family", "family", "families"),
        Level("variant", "fine-grained category", "fine-grained categories", published="species"),
    )
    return Source("aircraft", root, images, levels, meta="aircraft")


def describe(parents: dict[str, str]) -> str:
    return f"family {parents['family']} of {parents['manufacturer']}"


def class_names(root: Path, level: str) -> list[str]:
    return [spelled(line) for _, line in numbered_lines(root / f"{level}.txt")]


def read_list(path: Path, known: set[str], names: str) -> dict[str, str]:
    """image id -> label, from lines "0034309 707-320"."""
    labels: dict[str, str] = {}
    for number, line in numbered_lines(path):
        image, _, label = line.partition(" ")
        label = spelled(label)
        if not label or image in labels:
            raise UserError(f'{path}, line {number}: expected "id label" with a new id, not {line!r}')
        if label not in known:
            raise UserError(f"{path}, line {number}: {label!r} is not in {names}.txt")
        labels[image] = label
    return labels


def read_boxes(path: Path) -> dict[str, Box]:
    """image id -> box; the file has xmin ymin xmax ymax, counted from 1, both ends inside. Empty without a file."""
    if not path.exists():
        return {}
    boxes = {}
    for number, line in numbered_lines(path):
        try:
            image, *corners = line.split()
            x0, y0, x1, y1 = map(int, corners)
        except ValueError:
            raise UserError(f'{path}, line {number}: expected "id xmin ymin xmax ymax", not {line!r}') from None
        boxes[image] = (x0 - 1, y0 - 1, x1 - x0 + 1, y1 - y0 + 1)
    return boxes
