"""Any tree with a folder per class: <root>/[train|test/][<group>/...]<class>/<picture>.

Names come from the folders ("001.Fish_crow" -> "fish crow"). Without train/ and test/ every picture is a training
picture. Where each class lies in a folder of its own group, that folder is the coarser level `group`.
"""

import re
from pathlib import Path

from ..errors import UserError
from .base import About, LabelledImage, Level, Source
from .reading import IMAGE_SUFFIXES, check_images, readable

ABOUT = About(
    title="your own: a folder per class",
    where="anywhere",
    layout="[train|val|test/][<group>/...]<class>/<picture>",
)


def read(root: Path) -> Source:
    """Levels [group >] category."""
    splits = [split for split in ("train", "test") if (root / split).is_dir()]
    tops = [(split, root / split) for split in splits] or [("train", root)]
    found: list[tuple[str, str, list[str]]] = []  # path, split, folder names
    for split, top in tops:
        with_images = set()
        folders = [path for path in sorted(top.rglob("*")) if path.is_dir() and not path.name.startswith(".")]
        for folder in folders:
            pictures = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
            if pictures:
                with_images.add(folder)
            names = [plain_name(part) for part in folder.relative_to(top).parts]
            found += [(picture.relative_to(root).as_posix(), split, names) for picture in pictures]
        for folder in folders:
            if not any(path == folder or folder in path.parents for path in with_images):
                raise UserError(f"{folder} has no image ({', '.join(IMAGE_SUFFIXES)}); remove the folder or fill it")
    if not found:
        raise UserError(f"{root} has no class folders with images; expected {root}/[train|test/]<class>/<picture>")
    grouped = all(len(names) >= 2 for _, _, names in found)
    owner: dict[str, list[str]] = {}
    for path, _, names in found:
        if owner.setdefault(names[-1], names) != names:
            raise UserError(
                f"{path}: two class folders are both called {names[-1]!r} "
                f"({'/'.join(owner[names[-1]])} and {'/'.join(names)}); rename one"
            )
    rows = [
        LabelledImage(path, names[-1], split, {"group": names[-2]} if grouped else {}) for path, split, names in found
    ]
    levels = [Level("category", "category", "categories")]
    if grouped:
        levels.insert(0, Level("group", "group", "groups"))
    return Source("folder", root, check_images("folder", root, rows, root), tuple(levels))


def plain_name(folder: str) -> str:
    return readable(re.sub(r"^\d+\.", "", folder))
