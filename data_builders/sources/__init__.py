"""Source data sets in their official on-disk layouts, each read into one shape: a `Source` of `LabelledImage` rows."""

from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, get_args

from ..shared.errors import UserError
from ..shared.files import safe_join
from ..shared.progress import busy
from .base import ALL_LEVELS, FINEST_LEVEL, HELP_WIDTH, SPLITS, About, HeldOut, LabelledImage, Level, Source, same_name
from .held_out import HoldOut, hold_out, without_names
from .reading import annotations_only
from .test_split import read_groups, with_test_images

SourceName = Literal[
    "cub",
    "aircraft",
    "food101",
    "dogs",
    "flowers102",
    "vegfru",
    "cars",
    "deepfashion",
    "skincon",
    "products10k",
    "inat2021",
    "wine",
    "mtarsi",
    "grocery",
    "cifar100",
    "pets",
    "imagenet",
    "imagenet_1each",
    "fgbmk_lists",
    "folder",
]
SOURCE_NAMES: tuple[str, ...] = get_args(SourceName)


def about(name: str) -> About:
    return import_module(f".{name}", __name__).ABOUT


@dataclass(frozen=True)
class SplitDraw:
    """How test images are drawn for a data set that has none: which fraction, and a table of the photos' groups."""

    fraction: float = 0.0
    groups: str | None = None


def load_source(name: str, root: Path, *, look_for_images: bool = True, test: SplitDraw | None = None) -> Source:
    """The data set `name` lying at `root`. UserError when it is not there or contradicts itself."""
    if name not in SOURCE_NAMES:
        raise UserError(f"source is {name!r}; there are: {', '.join(SOURCE_NAMES)}")
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"no folder {root}; --root names the folder of the data set {name} as downloaded")
    with nullcontext() if look_for_images else annotations_only(), busy(f"reading the lists of {name}"):
        source = import_module(f".{name}", __name__).read(root)
    if test is None or not test.fraction:
        return source
    groups = read_groups(Path(test.groups), source) if test.groups is not None else None
    return with_test_images(source, test.fraction, groups)


def load_sources(
    which: str | dict[str, str], root: Path, *, look_for_images: bool = True, test: SplitDraw | None = None
) -> tuple[Source, ...]:
    """One data set lying at `root`, or several by name and folder inside `root`, which is then the root of them all."""
    if isinstance(which, str):
        return (load_source(which, root, look_for_images=look_for_images, test=test),)
    found = []
    for name, folder in which.items():
        source = load_source(name, safe_join(Path(root), folder), look_for_images=look_for_images, test=test)
        found.append(source.at(Path(root), folder))
    return tuple(found)


__all__ = [
    "ALL_LEVELS",
    "FINEST_LEVEL",
    "HELP_WIDTH",
    "SOURCE_NAMES",
    "SPLITS",
    "About",
    "HeldOut",
    "HoldOut",
    "LabelledImage",
    "Level",
    "Source",
    "SourceName",
    "SplitDraw",
    "about",
    "hold_out",
    "load_source",
    "load_sources",
    "same_name",
    "without_names",
]
