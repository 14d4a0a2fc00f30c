"""SkinCon: pictures of Fitzpatrick17k and DDI with the clinical concepts that dermatologists saw in them.

annotations_fitzpatrick17k.csv and annotations_ddi.csv have a column per concept (0 or 1). The data set has no official
split: FG-BMK's train.csv and test.csv give one, and the pictures lie where those lists say (fitzpatrick17k/<name>).
The labels come from the annotations, whose two files order the concepts differently, not from the lists' numbers.
"""

from pathlib import Path

from ..shared.csv_tables import csv_rows
from ..shared.errors import UserError
from .base import About, LabelledImage, Level, Source
from .fgbmk_lists import listed_images
from .reading import check_images

ABOUT = About(
    title="SkinCon",
    where="https://skincon-dataset.github.io (lists: https://huggingface.co/datasets/SEU-VIPGroup/FG-BMK)",
    layout="annotations_fitzpatrick17k.csv and/or annotations_ddi.csv, FG-BMK's train.csv and test.csv, the pictures",
)

ANNOTATIONS = ("annotations_fitzpatrick17k.csv", "annotations_ddi.csv")
LEFT_OUT = "Do not consider this image"


def read(root: Path) -> Source:
    """One level, concept; each picture bears several labels."""
    concepts = read_concepts(root)
    for file in ("train.csv", "test.csv"):
        if not (root / file).exists():
            raise UserError(
                f"no file {root / file}: SkinCon has no official split. Put train.csv and test.csv there; "
                "FG-BMK's are in its folder machine-oriented/skincon"
            )
    rows = []
    for place, image, split, _ in listed_images(root):
        labels = concepts.get(image.rpartition("/")[2])
        if labels is None:
            raise UserError(f"{place}: {image} is in no annotation file of SkinCon, or marked {LEFT_OUT!r}")
        if not labels:
            raise UserError(f"{place}: {image} has no concept in SkinCon's annotations; remove the line")
        rows.append(LabelledImage(image, ", ".join(labels), split, labels=labels))
    images = check_images("SkinCon", root, rows, root / "train.csv")
    return Source("skincon", root, images, (Level("concept", "clinical concept", "clinical concepts"),), meta="skin")


def read_concepts(root: Path) -> dict[str, tuple[str, ...]]:
    """file name -> its concepts, in the order of the first annotation file."""
    paths = [root / file for file in ANNOTATIONS if (root / file).exists()]
    if not paths:
        raise UserError(f"no file {' or '.join(ANNOTATIONS)} in {root}; get them at {ABOUT.where}")
    order: dict[str, int] = {}
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for path in paths:
        for number, row in csv_rows(path, ("ImageID",)):
            marks = {name: value for name, value in row.items() if name not in ("", "ImageID")}
            if wrong := next((name for name, value in marks.items() if value not in ("0", "1")), None):
                raise UserError(f"{path}, line {number}: {wrong} is {marks[wrong]!r}, not 0 or 1")
            if marks.pop(LEFT_OUT, "0") == "1":
                continue
            for name in marks:
                order.setdefault(name.lower(), len(order))
            labels = tuple(sorted((name.lower() for name, value in marks.items() if value == "1"), key=order.get))
            found[row["ImageID"]] = shared.setdefault(labels, labels)
    return found
