"""Source data sets in their official on-disk layouts, each read into one shape: a `Source` of `LabelledImage` rows.

Built in are the modules of this package; others are a user's own, by entry points of installed packages
(docs/extending/sources.md).
"""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ..shared.errors import UserError
from ..shared.files import safe_join
from ..shared.plugins import Plugins
from ..shared.progress import busy
from .base import ALL_LEVELS, FINEST_LEVEL, HELP_WIDTH, SPLITS, About, HeldOut, LabelledImage, Level, Source, same_name
from .held_out import HoldOut, hold_out, without_names
from .reading import annotations_only
from .test_split import read_groups, with_test_images

SOURCE_NAMES = (
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
)


def _is_source(found: Any) -> bool:
    return isinstance(getattr(found, "ABOUT", None), About) and callable(getattr(found, "read", None))


OWN = Plugins(
    "data_builders.sources",
    "a module with ABOUT (an About) and read(root), which gives a Source; both are of data_builders.sources",
    SOURCE_NAMES,
    _is_source,
)


def known_sources() -> tuple[str, ...]:
    """Names: those built in, then users' own."""
    return (*SOURCE_NAMES, *OWN.installed())


def source_module(name: str) -> ModuleType:
    """The reader of that name. UserError when there is none."""
    if name in SOURCE_NAMES:
        return import_module(f".{name}", __name__)
    if name not in known_sources():
        raise UserError(f"source is {name!r}; there are: {', '.join(known_sources())}")
    return OWN.load(name)


def own_code(which: str | Iterable[str]) -> dict[str, dict[str, str]]:
    """Of the named sources those that are users' own -> their code, as `Plugins.code` has it."""
    names = [which] if isinstance(which, str) else list(which)
    own = [name for name in names if name not in SOURCE_NAMES]
    installed = OWN.installed() if own else {}
    return {name: OWN.code(name) for name in own if name in installed}


def about(name: str) -> About:
    return source_module(name).ABOUT


@dataclass(frozen=True)
class SplitDraw:
    """How test images are drawn for a data set that has none: which fraction, and a table of the photos' groups."""

    fraction: float = 0.0
    groups: str | None = None


def load_source(name: str, root: Path, *, look_for_images: bool = True, test: SplitDraw | None = None) -> Source:
    """The data set `name` lying at `root`. UserError when it is not there or contradicts itself."""
    module, root = source_module(name), Path(root)
    if not root.is_dir():
        raise UserError(f"no folder {root}; --root names the folder of the data set {name} as downloaded")
    with nullcontext() if look_for_images else annotations_only(), busy(f"reading the lists of {name}"):
        source = module.read(root)
    if name not in SOURCE_NAMES:
        if not isinstance(source, Source):
            raise UserError(f"source {name}: {module.__name__}.read gave a {type(source).__name__}, and no Source")
        source = replace(source, name=name)
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
    "SplitDraw",
    "about",
    "hold_out",
    "known_sources",
    "load_source",
    "load_sources",
    "own_code",
    "same_name",
    "without_names",
]
