"""A list of single pictures: manifest.jsonl with `image`, `wnid`, `class_name` (one picture of each ImageNet class)."""

from pathlib import Path

from ..shared.errors import UserError
from ..shared.files import read_jsonl
from .base import About, LabelledImage, Level, Source
from .reading import check_images, readable

ABOUT = About(
    title="ImageNet, one picture a class",
    where="https://github.com/EliSchwartz/imagenet-sample-images",
    layout="manifest.jsonl (image, wnid, class_name) and the pictures",
)


def read(root: Path) -> Source:
    """One level, category; every picture is a training picture."""
    path = root / "manifest.jsonl"
    rows = []
    for number, row in enumerate(read_jsonl(path), 1):
        if not isinstance(row.get("image"), str) or not isinstance(row.get("class_name"), str):
            raise UserError(f"{path}, line {number}: a row must have image and class_name as text, not {row}")
        rows.append(
            LabelledImage(row["image"], readable(row["class_name"]), "train", {}, {"wnid": row.get("wnid", "")})
        )
    images = check_images("imagenet_1each", root, rows, path)
    return Source("imagenet_1each", root, images, (Level("category", "category", "categories"),))
