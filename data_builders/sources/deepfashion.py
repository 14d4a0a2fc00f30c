"""DeepFashion, Category and Attribute Prediction Benchmark: annotation folders beside the pictures in img/.

Of its two annotations FG-BMK uses the fine one (Anno_fine: 14,000 train, 2,000 val and 4,000 test images, each with 26
cleaned attributes), so it is read where it lies. The coarse one (Anno_coarse, in older archives Anno; 289,222 images,
split by Eval/list_eval_partition.txt) is read where there is no Anno_fine: its splits cut across those of the fine one,
and mixing them would train on test images. Its 1,000 attributes are left out, as a picture bears any number of them.
Four of the 50 categories were merged into dress and have no image.
"""

from collections.abc import Iterator
from pathlib import Path

from ..shared.errors import UserError
from .base import About, Box, LabelledImage, Level, Source
from .reading import check_images, numbered_lines, readable

ABOUT = About(
    title="DeepFashion (Category and Attribute Prediction Benchmark)",
    where="https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion/AttributePrediction.html",
    layout="Anno_fine/ (or Anno_coarse/, or Anno/, with Eval/list_eval_partition.txt), and Img/img/ or img/",
)

CLOTHING_TYPES = {"1": "upper body clothes", "2": "lower body clothes", "3": "full body clothes"}
ATTRIBUTE_TYPES = {"1": "pattern", "2": "sleeve", "3": "length", "4": "neckline", "5": "fabric", "6": "fit"}
LEVELS = (
    Level("type", "clothing type", "clothing types"),
    Level("category", "fine-grained category", "fine-grained categories", published="species"),
)


def read(root: Path) -> Source:
    """Levels type > category; boxes where they are listed; attributes with the fine annotation.

    The source's root is the folder that holds img/, as the lists and FG-BMK write the paths.
    """
    values: dict[str, tuple[str, ...]] = {}
    if (root / "Anno_fine").is_dir():
        place = root / "Anno_fine"
        fine = Fine(place)
        rows, values = list(fine.rows()), fine.values
    else:
        place = next((root / name for name in ("Anno_coarse", "Anno") if (root / name).is_dir()), None)
        if place is None:
            raise UserError(f"{root} has no folder Anno_fine, Anno_coarse or Anno; DeepFashion holds {ABOUT.layout}")
        rows = list(coarse_rows(root, place))
    top = root / "Img" if (root / "Img" / "img").is_dir() else root
    images = check_images("DeepFashion", top, rows, place)
    return Source("deepfashion", top, images, LEVELS, meta="clothes", attribute_values=values)


def entries(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    """The lines below the count and the header, split at their last `columns` - 1 blanks: names may hold blanks."""
    lines = numbered_lines(path)
    count, header = next(lines, (1, ""))[1], next(lines, (2, ""))[1]
    if not count.isdigit() or not header:
        raise UserError(f"{path}, line 1: expected the number of lines, then a header line; it is {count!r}")
    seen = 0
    for number, line in lines:
        parts = line.rsplit(None, columns - 1)
        if len(parts) != columns:
            raise UserError(f"{path}, line {number}: expected {columns} values, not {line!r}")
        seen += 1
        yield number, parts
    if seen != int(count):
        raise UserError(f"{path} says {count} lines, but has {seen}; unpack it again")


class Categories:
    """list_category_cloth.txt: the categories in the order of their numbers, from 1."""

    def __init__(self, folder: Path):
        self.names: list[tuple[str, dict[str, str]]] = []
        for number, (name, kind) in entries(folder / "list_category_cloth.txt", 2):
            if kind not in CLOTHING_TYPES:
                raise UserError(
                    f"{folder / 'list_category_cloth.txt'}, line {number}: type {kind!r} of {name!r}; "
                    "1 = upper body, 2 = lower body, 3 = full body"
                )
            self.names.append((" ".join(name.lower().split()), {"type": CLOTHING_TYPES[kind]}))

    def find(self, text: str, place: str) -> tuple[str, dict[str, str]]:
        if not text.isdigit() or not 1 <= int(text) <= len(self.names):
            raise UserError(f"{place}: category {text!r}; list_category_cloth.txt goes from 1 to {len(self.names)}")
        return self.names[int(text) - 1]


def box_of(corners: list[str], place: str) -> Box:
    """x1 y1 x2 y2 -> x, y, width, height."""
    try:
        left, top, right, bottom = (float(value) for value in corners)
    except ValueError:
        raise UserError(f"{place}: expected x1 y1 x2 y2, not {' '.join(corners)!r}") from None
    return left, top, right - left, bottom - top


def coarse_rows(root: Path, folder: Path) -> Iterator[LabelledImage]:
    """All benchmark images by list_category_img.txt, list_bbox.txt and the official partition."""
    categories, listed = Categories(folder), folder / "list_category_img.txt"
    partition = root / "Eval" / "list_eval_partition.txt"
    splits = {image: split for _, (image, split) in entries(partition, 2)}
    boxes: dict[str, Box] = {}
    if (folder / "list_bbox.txt").exists():
        for number, (image, *corners) in entries(folder / "list_bbox.txt", 5):
            boxes[image] = box_of(corners, f"{folder / 'list_bbox.txt'}, line {number}")
    nothing: dict[str, str] = {}
    for number, (image, label) in entries(listed, 2):
        name, parents = categories.find(label, f"{listed}, line {number}")
        if splits.get(image) not in ("train", "val", "test"):
            raise UserError(f"{partition}: {image} has split {splits.get(image)!r}, not train, val or test")
        if boxes and image not in boxes:
            raise UserError(f"{folder / 'list_bbox.txt'} has no line for {image}")
        yield LabelledImage(image, name, splits[image], parents, nothing, boxes.get(image))


class Fine:
    """Anno_fine: per split a list of images, and lists with one line per image in the same order."""

    def __init__(self, folder: Path):
        self.folder, self.categories = folder, Categories(folder)
        self.attributes: list[tuple[str, str]] = []  # group, value
        if (folder / "list_attr_cloth.txt").exists():
            for _, (name, kind) in entries(folder / "list_attr_cloth.txt", 2):
                self.attributes.append((ATTRIBUTE_TYPES.get(kind, f"attribute type {kind}"), readable(name)))
        groups = dict.fromkeys(group for group, _ in self.attributes)
        self.values = {group: tuple(value for g, value in self.attributes if g == group) for group in groups}
        self.known: dict[str, dict[str, str]] = {}  # line of an attribute list -> attributes, shared by equal images

    def rows(self) -> Iterator[LabelledImage]:
        for split in ("train", "val", "test"):
            images = [line for _, line in numbered_lines(self.folder / f"{split}.txt")]
            labels = self.beside(f"{split}_cate.txt", len(images))
            boxes = self.beside(f"{split}_bbox.txt", len(images), needed=False)
            given = self.beside(f"{split}_attr.txt", len(images), needed=False) if self.attributes else []
            for index, image in enumerate(images):
                number, label = labels[index]
                name, parents = self.categories.find(label, f"{self.folder / f'{split}_cate.txt'}, line {number}")
                box = None
                if boxes:
                    number, corners = boxes[index]
                    box = box_of(corners.split(), f"{self.folder / f'{split}_bbox.txt'}, line {number}")
                attributes = self.read_attributes(*given[index], split) if given else {}
                yield LabelledImage(image, name, split, parents, attributes, box)

    def beside(self, file: str, images: int, needed: bool = True) -> list[tuple[int, str]]:
        path = self.folder / file
        if not needed and not path.exists():
            return []
        lines = list(numbered_lines(path))
        if len(lines) != images:
            raise UserError(f"{path} has {len(lines)} lines, but there are {images} images; unpack it again")
        return lines

    def read_attributes(self, number: int, line: str, split: str) -> dict[str, str]:
        """Of each group the one value that the picture has; a group with none or several is left out."""
        if line not in self.known:
            flags = line.split()
            if len(flags) != len(self.attributes) or not set(flags) <= {"0", "1", "-1"}:
                raise UserError(
                    f"{self.folder / f'{split}_attr.txt'}, line {number}: expected {len(self.attributes)} times "
                    f"0 or 1, not {line!r}"
                )
            found: dict[str, list[str]] = {}
            for flag, (group, value) in zip(flags, self.attributes, strict=True):
                if flag == "1":
                    found.setdefault(group, []).append(value)
            self.known[line] = {group: values[0] for group, values in found.items() if len(values) == 1}
        return self.known[line]
