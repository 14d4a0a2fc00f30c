"""Where the images lie that benchmark questions ask about: beside the benchmark, as the data sets are downloaded."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from .fgbmk_layout import ATTRIBUTE_ENDING, HUMAN, NAME
from .shared.errors import UserError
from .shared.files import read_json

# the name in FG-BMK's or FROW's paths -> the data set's folder beside FG-BMK/ and FROW/, where it is another name
FOLDERS = {
    "aircraft": ("fgvc-aircraft-2013b",),
    "cub": ("CUB_200_2011",),
    "dog": ("StanfordDogs",),
    "food101": ("food-101",),
    "grocery": ("GroceryStoreDataset",),
    "mtarsi": ("mtarsi", "MTARSI-fixed"),
    "stanfordcar": ("stanford_cars",),
    "stanforddog": ("StanfordDogs",),
}
FROW_ENDING = "_with_reference.jsonl"
INSIDE = ("", "data", "dataset", "Img", "images")  # a data set's folder that its image paths may begin in


class ImageFolder:
    """Where a question file's images lie. A path's first folder is found as it is called on disk: the questions say
    images/ where Stanford Dogs has Images/."""

    def __init__(self, root: Path):
        self.root = root
        self._first: dict[str, str] = {}

    def spelt(self, image: str) -> str:
        """The image's path as it is on disk; as it is given where it is not there."""
        first, slash, rest = image.partition("/")
        if not slash:
            return image
        if first not in self._first:
            self._first[first] = on_disk(self.root, first)
        return f"{self._first[first]}/{rest}"

    def holds(self, image: str) -> bool:
        """Is there a file for the image, as question files call it?"""
        return (self.root / self.spelt(image)).is_file()


def on_disk(root: Path, folder: str) -> str:
    """What the folder of images is called in the root: as given, in another case, or as Flowers-102 calls it."""
    if (root / folder).exists():
        return folder
    there = names_in(root)
    found = [one for one in there if one.lower() == folder.lower()]
    if not found and folder == "images":
        found = [one for one in there if one == "jpg"]
    return found[0] if len(found) == 1 else folder


def names_in(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def find_images(benchmark: Path, dataset: str, images: Iterable[str]) -> ImageFolder | None:
    """The folder of the images that a data set's questions ask about; `images`: the first of them is looked for.

    images.json in the benchmark's folder says it; else it is the data set's folder beside the benchmark that has the
    image, called as in docs/how-to/data.md or as the benchmark calls it; else, where no such folder has it, the first
    that is there or should be. None for a data set of which nothing is known.
    """
    listed = benchmark / "images.json"
    roots = read_json(listed) if listed.exists() else {}
    if not isinstance(roots, dict):
        raise UserError(f"{listed} must map data sets to folders")
    if isinstance(roots.get(dataset), str):
        return ImageFolder(benchmark / roots[dataset])
    data = benchmark.parent
    beside = [data / name for name in folders_beside(data, dataset)]
    image = next(iter(images), None)
    if image is not None:
        for folder in (ImageFolder(one / inside) for one in beside for inside in INSIDE):
            if folder.holds(image):
                return folder
    if not beside and dataset not in FOLDERS:
        return None
    return ImageFolder(beside[0] if beside else data / FOLDERS[dataset][0])


def folders_beside(data: Path, dataset: str) -> list[str]:
    """The folders in the data folder that are called as this data set may be, in whatever case and with any marks."""
    wanted = [letters(name) for name in (*FOLDERS.get(dataset, ()), dataset)]
    found = [(wanted.index(letters(name)), name) for name in names_in(data) if letters(name) in wanted]
    return [name for _, name in sorted(found) if (data / name).is_dir()]


def letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def benchmark_of(path: Path, name: str) -> Path:
    """The benchmark's folder that the file lies in."""
    return next(parent for parent in path.parents if parent.name == name)


def way_on(benchmark: Path, dataset: str) -> str:
    """What to type where a data set's images are not found."""
    called = " or ".join(FOLDERS.get(dataset, (dataset,)))
    return (
        f"Put the data set into {benchmark.parent} as {called}, or write "
        f'{{"{dataset}": "folder relative to {benchmark.name}"}} into {benchmark / "images.json"}'
    )


def dataset_in(path: Path) -> str:
    """The data set that a question file of FG-BMK asks about, by where it lies."""
    below = path.relative_to(next(parent for parent in path.parents if parent.name == HUMAN))
    return below.parts[1].removesuffix(ATTRIBUTE_ENDING)


def where_to_look(path: Path | None) -> str:
    """What may be done about a missing image of that question file; empty where it is none of FG-BMK's."""
    if path is None or not {NAME, HUMAN} <= {parent.name for parent in path.parents}:
        return ""
    return f". {way_on(benchmark_of(path, NAME), dataset_in(path))}; or ask about others only, as in --tasks fgbmk/cub"


def fgbmk_images(path: Path, images: Iterable[str]) -> ImageFolder:
    """Of a question file of FG-BMK. UserError for a data set of which nothing is known."""
    benchmark, dataset = benchmark_of(path, NAME), dataset_in(path)
    found = find_images(benchmark, dataset, images)
    if found is None:
        raise UserError(f"{path}: where are the images of {dataset!r}? {way_on(benchmark, dataset)}")
    return found


def frow_images(path: Path, images: Iterable[str]) -> ImageFolder:
    """Of a question file of FROW: beside it, or as the downloaded data set has them."""
    beside, image = ImageFolder(path.parent), next(iter(images), None)
    if image is None or beside.holds(image):
        return beside
    top = path.parent.parent if path.parent.name == "benchmark" else path.parent  # a clone of FROW's repository
    found = find_images(top, path.name.removesuffix(FROW_ENDING), [image])
    return found if found is not None and found.holds(image) else beside
