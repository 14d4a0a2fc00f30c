"""Source data sets in their official on-disk layouts, each read into one shape: a `Source` of `LabelledImage` rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from ..errors import UserError
from .base import LabelledImage, Level, Source

SourceName = Literal["cub", "grocery", "imagenet_1each", "folder"]
SOURCE_NAMES: tuple[str, ...] = get_args(SourceName)


def load_source(name: str, root: Path) -> Source:
    """The data set `name` lying at `root`. UserError when it is not there or contradicts itself."""
    from . import cub, folder, grocery, imagenet_1each

    readers: dict[str, Callable[[Path], Source]] = {
        "cub": cub.read,
        "grocery": grocery.read,
        "imagenet_1each": imagenet_1each.read,
        "folder": folder.read,
    }
    if name not in readers:
        raise UserError(f"source is {name!r}; there are: {', '.join(readers)}")
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"no folder {root}; --root is where the data set {name} lies, in its official layout")
    return readers[name](root)


__all__ = ["SOURCE_NAMES", "LabelledImage", "Level", "Source", "SourceName", "load_source"]
