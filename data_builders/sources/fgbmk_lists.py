"""FG-BMK's own lists of its machine-oriented track: train.csv and test.csv ("path,label"), classes.txt.

No csv in the usual sense: there are no headers and no quotes, and the last comma splits (a path may hold commas). A
label is a line of classes.txt, counted from 0; SkinCon and Wine have several, separated by blanks. Not every line of
classes.txt has images (DeepFashion's nightdress was merged into dress).
"""

from collections.abc import Iterator
from pathlib import Path

from ..benchmark_images import ImageFolder
from ..shared.errors import UserError
from .base import About, LabelledImage, Level, Source
from .reading import check_images, numbered_lines

ABOUT = About(
    title="any data set in FG-BMK's own lists",
    where="https://huggingface.co/datasets/SEU-VIPGroup/FG-BMK (machine-oriented/<data set>/)",
    layout="classes.txt, train.csv and test.csv beside the folders that their paths begin with",
)


def read(root: Path) -> Source:
    """One level, category. Pictures bear several labels when a line of a list does."""
    names = class_names(root)
    rows = list(listed_images(root))
    several = any(len(labels) > 1 for *_, labels in rows)
    images = (labelled(place, image, split, numbers, names, several) for place, image, split, numbers in rows)
    images = check_images("the lists' data set", root, images, root / "train.csv")
    level = Level("category", "fine-grained category", "fine-grained categories")
    return Source("fgbmk_lists", root, images, (level,))


def labelled(
    place: str, image: str, split: str, numbers: tuple[int, ...], names: list[str], several: bool
) -> LabelledImage:
    for number in numbers:
        if number >= len(names):
            raise UserError(f"{place}: label {number}, but classes.txt has {len(names)} lines (0 to {len(names) - 1})")
    labels = tuple(names[number] for number in numbers)
    return LabelledImage(image, ", ".join(labels), split, labels=labels if several else ())


def class_names(root: Path) -> list[str]:
    """The lines of classes.txt."""
    path = root / "classes.txt"
    if not path.exists():
        raise UserError(
            f"no file {path}: the lists have numbers only. Write the names of the classes into it, "
            "one a line, the first for label 0 (FG-BMK has one in machine-oriented/<data set>/)"
        )
    names: list[str] = []
    for number, line in numbered_lines(path):
        name = " ".join(line.lower().split())
        if name in names:
            raise UserError(f"{path}, line {number}: {line!r} for the second time")
        names.append(name)
    return names


def listed_images(root: Path) -> Iterator[tuple[str, str, str, tuple[int, ...]]]:
    """(file and line, path, split, labels) of both lists. UserError for an image that is listed twice."""
    seen: dict[str, str] = {}
    folder = ImageFolder(root)  # the lists of Stanford Dogs say images/
    for split in ("train", "test"):
        path = root / f"{split}.csv"
        for number, line in numbered_lines(path):
            image, comma, labels = line.rpartition(",")
            place, numbers = f"{path}, line {number}", labels.split()
            if not comma or not image or not numbers or not all(one.isdecimal() for one in numbers):
                raise UserError(f'{place}: expected "path,label" with the label\'s number, not {line!r}')
            if image in seen:
                raise UserError(f"{place}: {image} is listed a second time, first in {seen[image]}.csv")
            seen[image] = split
            yield place, folder.spelt(image), split, tuple(int(one) for one in numbers)
