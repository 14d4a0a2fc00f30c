"""Stanford Cars in either layout: cars_train/ and cars_test/ with the devkit, or car_ims/ with cars_annos.mat.

FG-BMK uses the second, whose pictures are numbered otherwise. Names are "make model type year" as published ("Audi TT
Hatchback 2011"). The data set holds some pictures twice under two labels; `python -m data_builders check` lists them.
"""

from collections.abc import Iterator
from pathlib import Path

from ..shared.errors import UserError
from .base import About, Box, LabelledImage, Level, Source
from .matlab import read_mat, records, texts, whole_numbers
from .reading import check_images, spelled

ABOUT = About(
    title="Stanford Cars",
    where="https://www.kaggle.com/datasets/eduardo4jesus/stanford-cars-dataset (the authors' page is gone)",
    layout="car_ims/ and cars_annos.mat, or cars_train/, cars_test/, devkit/ and cars_test_annos_withlabels.mat",
)

CORNERS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
MOST_PIXELS = 1_000_000  # a box's corner beyond is a mistake
MAKES_OF_TWO_WORDS = ("AM General", "Aston Martin", "Land Rover")

# path inside the root, label counted from 1, box
Annotation = tuple[str, int, Box]


def read(root: Path) -> Source:
    """Levels make > category; meta-class word "car"."""
    if (place := root / "cars_annos.mat").exists():
        names = read_names(place)
        splits = read_merged(place, len(names))
    else:
        place = find(root, "cars_meta.mat")
        names = read_names(place)
        splits = {
            "train": read_part(root, "cars_train", find(root, "cars_train_annos.mat"), len(names)),
            "test": read_part(root, "cars_test", find(root, "cars_test_annos_withlabels.mat"), len(names)),
        }
    parents = [{"make": make(name)} for name in names]
    nothing: dict[str, str] = {}
    rows, used = [], set()
    for split, annotations in splits.items():
        for path, label, box in annotations:
            used.add(label)
            rows.append(LabelledImage(path, names[label - 1], split, parents[label - 1], nothing, box))
    if empty := [name for label, name in enumerate(names, 1) if label not in used]:
        raise UserError(f"{place}: {len(empty)} classes have no image, the first: {empty[0]}")
    images = check_images("Stanford Cars", root, rows, place)
    levels = (
        Level("make", "make", "makes"),
        Level("category", "fine-grained category", "fine-grained categories", published="species"),
    )
    return Source("cars", root, images, levels, meta="car")


def make(name: str) -> str:
    """ "Land Rover LR2 SUV 2012" -> "Land Rover"."""
    return next((known for known in MAKES_OF_TWO_WORDS if name.startswith(known + " ")), name.split()[0])


def find(root: Path, name: str) -> Path:
    """A file of the devkit, in its folder or at the root."""
    return next((path for path in (root / "devkit" / name, root / name) if path.exists()), root / "devkit" / name)


def read_names(place: Path) -> list[str]:
    names = [spelled(name) for name in texts(place, "class_names", read_mat(place, "class_names")["class_names"])]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{place}: two labels are called {twice[0]!r}")
    return names


def read_merged(place: Path, classes: int) -> dict[str, list[Annotation]]:
    annotations = read_mat(place, "annotations")["annotations"]
    paths, test = records(place, "annotations", annotations, "relative_im_path", "test")
    in_test = whole_numbers(place, "test", test, 0, 1)
    splits: dict[str, list[Annotation]] = {"train": [], "test": []}
    rows = annotated(place, annotations, texts(place, "relative_im_path", paths), classes)
    for flag, row in zip(in_test, rows, strict=True):
        splits["test" if flag else "train"].append(row)
    return splits


def read_part(root: Path, folder: str, place: Path, classes: int) -> list[Annotation]:
    # Some downloads have each folder inside another of the same name.
    folder = f"{folder}/{folder}" if (root / folder / folder).is_dir() else folder
    annotations = read_mat(place, "annotations")["annotations"]
    (files,) = records(place, "annotations", annotations, "fname")
    paths = [f"{folder}/{file}" for file in texts(place, "fname", files)]
    return list(annotated(place, annotations, paths, classes))


def annotated(place: Path, annotations, paths: list[str], classes: int) -> Iterator[Annotation]:
    (labels,) = records(place, "annotations", annotations, "class")
    corners = [
        whole_numbers(place, name, values, 0, MOST_PIXELS)
        for name, values in zip(CORNERS, records(place, "annotations", annotations, *CORNERS), strict=True)
    ]
    # Corners count from 1, and both lie inside.
    boxes = ((x0 - 1, y0 - 1, x1 - x0 + 1, y1 - y0 + 1) for x0, y0, x1, y1 in zip(*corners, strict=True))
    yield from zip(paths, whole_numbers(place, "class", labels, 1, classes), boxes, strict=True)
