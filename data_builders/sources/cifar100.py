"""CIFAR-100 as `unpack` lays it out: train/ and test/ with a folder per superclass, in it one per class.

Its pictures are no files when downloaded, so the command `unpack` writes them first, from the binary version or from
the parquet files of the Hugging Face copy.
"""

from pathlib import Path

from ..shared.errors import UserError
from .base import About, LabelledImage, Level, Source
from .folder import pictures
from .reading import check_images

ABOUT = About(
    title="CIFAR-100",
    where="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz, or the parquet files of uoft-cs/cifar100",
    layout="train/ and test/, which `python -m data_builders unpack --source cifar100` makes of the download",
)


def read(root: Path) -> Source:
    """Levels superclass > category."""
    if not ((root / "train").is_dir() and (root / "test").is_dir()):
        raise UserError(
            f"{root} has no train/ and test/: CIFAR-100's pictures are packed. Unpack them first: "
            f"python -m data_builders unpack --source cifar100 --root {root} --out DIR, then --root DIR"
        )
    rows, parents, nothing = [], {}, {}
    for image, split, folders in pictures(root):
        if len(folders) != 2:
            raise UserError(f"{root / image} does not lie in <superclass>/<class>/; {ABOUT.layout}")
        superclass, name = folders
        if parents.setdefault(name, {"superclass": superclass})["superclass"] != superclass:
            raise UserError(f"{root / image}: {name!r} lies in {superclass!r} and in {parents[name]['superclass']!r}")
        rows.append(LabelledImage(image, name, split, parents[name], nothing))
    images = check_images("CIFAR-100", root, rows, root)
    levels = (Level("superclass", "superclass", "superclasses"), Level("category", "category", "categories"))
    return Source("cifar100", root, images, levels)
