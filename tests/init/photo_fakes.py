"""Folders of small photos, each of another colour."""

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32


def photo(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng([seed, *path.name.encode(), *path.parent.name.encode()]).integers(0, 255, (4, 4, 3))
    Image.fromarray(values.astype(np.uint8)).resize((SIDE, SIDE)).save(path)
    return path


def class_folders(root: Path, classes: int = 3, each: int = 3) -> Path:
    """`root`/kind_0/0.png and so on."""
    for number in range(classes):
        for place in range(each):
            photo(root / f"kind_{number}" / f"{place}.png")
    return root


def loose(root: Path, count: int = 6) -> Path:
    """`root`/p0.png and so on, in no folders."""
    for number in range(count):
        photo(root / f"p{number}.png")
    return root
