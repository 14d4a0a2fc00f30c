"""Food-101: images/<class>/<id>.jpg, meta/classes.txt, meta/train.txt and meta/test.txt ("class/id" a line).

The lists are also distributed as train.json and test.json ({class: [class/id, ...]}); they serve where the texts are
missing.
"""

from collections.abc import Iterator
from pathlib import Path

from ..shared.errors import UserError
from ..shared.files import read_json
from .base import About, LabelledImage, Level, Source
from .reading import check_images, numbered_lines, spelled

ABOUT = About(
    title="Food-101",
    where="https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
    layout="food-101/ with images/ and meta/ (classes.txt, train.txt, test.txt)",
)


def read(root: Path) -> Source:
    """One level, category; meta-class word "food"."""
    classes = {name: spelled(name) for _, name in numbered_lines(root / "meta/classes.txt")}
    nothing: dict[str, str] = {}  # shared: there are 101,000 pictures
    rows, used = [], set()
    for split in ("train", "test"):
        for place, key in listed(root, split):
            name, _, number = key.rpartition("/")
            if not number or name not in classes:
                raise UserError(f'{place}: expected "class/id" with a class of meta/classes.txt, not {key!r}')
            used.add(name)
            rows.append(LabelledImage(f"images/{key}.jpg", classes[name], split, nothing, nothing))
    if empty := [name for name in classes if name not in used]:
        raise UserError(f"{root / 'meta/classes.txt'}: {len(empty)} classes have no image, the first: {empty[0]}")
    images = check_images("Food-101", root, rows, root / "meta")
    levels = (Level("category", "fine-grained category", "fine-grained categories"),)
    return Source("food101", root, images, levels, meta="food")


def listed(root: Path, split: str) -> Iterator[tuple[str, str]]:
    """Place and "class/id" of each picture of a split."""
    path = root / "meta" / f"{split}.txt"
    if path.exists() or not path.with_suffix(".json").exists():
        for number, line in numbered_lines(path):
            yield f"{path}, line {number}", line
        return
    path = path.with_suffix(".json")
    lists = read_json(path)
    if not isinstance(lists, dict) or not all(isinstance(keys, list) for keys in lists.values()):
        raise UserError(f'{path}: expected {{"class": ["class/id", ...]}}')
    for name, keys in lists.items():
        for number, key in enumerate(keys, 1):
            yield f"{path}, {name}, entry {number}", str(key)
