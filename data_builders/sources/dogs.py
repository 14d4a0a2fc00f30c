"""Stanford Dogs: Images/<wnid>-<Name>/<picture>.jpg, train_list.mat, test_list.mat, and Annotation/ with boxes.

FG-BMK calls the breeds species and keeps their spelling ("Old English sheepdog", "flat-coated retriever").
"""

import re
from pathlib import Path

from ..shared.errors import UserError
from .base import About, Box, LabelledImage, Level, Source
from .matlab import read_mat, texts, whole_numbers
from .reading import check_images, spelled

ABOUT = About(
    title="Stanford Dogs",
    where="http://vision.stanford.edu/aditya86/ImageNetDogs/",
    layout="Images/, train_list.mat, test_list.mat (from lists.tar), Annotation/",
)

MOST_CLASSES = 100_000
CORNERS = re.compile(
    rb"<bndbox>\s*<xmin>(\d+)</xmin>\s*<ymin>(\d+)</ymin>\s*<xmax>(\d+)</xmax>\s*<ymax>(\d+)</ymax>\s*</bndbox>"
)


def read(root: Path) -> Source:
    """One level, species; meta-class word "dog". Image paths start with the name of the folder Images."""
    folder = next((name for name in ("Images", "images") if (root / name).is_dir()), "Images")
    annotated = (root / "Annotation").is_dir()
    nothing: dict[str, str] = {}
    owner: dict[int, str] = {}  # label -> class folder
    names: dict[str, str] = {}  # class folder -> name
    rows = []
    for split in ("train", "test"):
        place = find_list(root, f"{split}_list.mat")
        variables = read_mat(place, "file_list", "labels")
        files = texts(place, "file_list", variables["file_list"])
        labels = whole_numbers(place, "labels", variables["labels"], 1, MOST_CLASSES)
        if len(files) != len(labels):
            raise UserError(f"{place}: {len(files)} files, but {len(labels)} labels")
        for number, (file, label) in enumerate(zip(files, labels, strict=True), 1):
            name, _, picture = file.rpartition("/")
            if not re.fullmatch(r"[^-/]+-[^/]+", name) or not picture:
                raise UserError(f'{place}: file_list {number} is {file!r}; expected "n02085620-Chihuahua/name.jpg"')
            if owner.setdefault(label, name) != name:
                raise UserError(f"{place}: file_list {number} ({file}) has label {label}, as {owner[label]} has")
            names.setdefault(name, spelled(name.partition("-")[2]))
            box = read_box(root / "Annotation" / name / picture.rpartition(".")[0]) if annotated else None
            rows.append(LabelledImage(f"{folder}/{file}", names[name], split, nothing, nothing, box))
    if len(owner) != len(names):
        raise UserError(f"{root}: {len(names)} class folders have {len(owner)} labels; a class has several labels")
    if empty := sorted(set(range(1, max(owner, default=0) + 1)) - set(owner)):
        raise UserError(f"{root}: {len(empty)} labels of train_list.mat and test_list.mat have no image: {empty[0]}")
    images = check_images("Stanford Dogs", root, rows, root / "train_list.mat")
    return Source("dogs", root, images, (Level("species", "species", "species"),), meta="dog")


def find_list(root: Path, name: str) -> Path:
    """The list, at the root or where lists.tar was unpacked into a folder of its own."""
    return next((path for path in (root / name, root / "lists" / name) if path.exists()), root / name)


def read_box(path: Path) -> Box:
    """The box around all dogs of a picture, from its annotation."""
    try:
        corners = CORNERS.findall(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"no file {path}; unpack annotation.tar again, or remove the folder Annotation") from None
    if not corners:
        raise UserError(f"{path}: no <bndbox> with xmin, ymin, xmax and ymax")
    columns = list(zip(*(map(int, four) for four in corners), strict=True))
    x0, y0, x1, y1 = min(columns[0]), min(columns[1]), max(columns[2]), max(columns[3])
    return (x0, y0, x1 - x0, y1 - y0)
