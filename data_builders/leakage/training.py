"""Training sets on disk, as far as leakage asks: which images, which labels, which questions."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..records import Manifest, images_of
from ..shared.errors import UserError
from ..shared.files import read_jsonl
from ..sources import Source, SplitDraw, load_sources, without_names

DEEPEST = 4  # folders below --root


@dataclass(frozen=True)
class TrainingSet:
    """`labelled`: do its rows' categories say what their images show? `test_images`: of its source."""

    folder: Path
    name: str
    image_root: Path
    labelled: bool
    test_images: dict[str, tuple[str, str]] = field(default_factory=dict)

    def rows(self) -> Iterator[tuple[int, dict]]:
        """(line from 0, row)."""
        yield from enumerate(read_jsonl(self.folder / "rows.jsonl"))

    def path(self, image: str) -> str:
        """Absolute."""
        return f"{self.image_root}/{image}"

    def image(self, path: str) -> str:
        """As it stands in the rows."""
        return path.removeprefix(f"{self.image_root}/")


def labels_of(row: dict) -> Iterator[tuple[str, str]]:
    """(image, category) of each image of a row; none for mosaics of unknown tiles."""
    images = images_of(row)
    names = (row.get("mosaic") or {}).get("names")
    if names is None and len(images) == 1 and isinstance(row.get("category"), str):
        names = [row["category"]]
    if isinstance(names, list) and len(names) == len(images):
        yield from zip(images, names, strict=True)


def questions_of(row: dict) -> list[str]:
    return [turn["value"] for turn in row["conversations"] if turn["from"] == "human"]


def test_images(sources: tuple[Source, ...]) -> dict[str, tuple[str, str]]:
    """Absolute path -> (what it belongs to, image as the source lists it) of what must not be trained on: official
    test images, and all of categories that are held out."""
    found: dict[str, tuple[str, str]] = {}
    for source in sources:
        top, whose = source.root.resolve(), f"{source.name}: own test split"
        found |= {f"{top}/{row.image}": (whose, row.image) for row in source.images if row.split == "test"}
        if source.held_out is not None:
            whose = f"{source.name}: held-out categories"
            found |= {f"{top}/{row.image}": (whose, row.image) for row in source.held_out.images}
    return found


def find_sets(root: Path, own_test: bool = True) -> list[TrainingSet]:
    """The training set at `root`, or all in folders of it. UserError when there is none."""
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"no folder {root}; --root names a training set, or a folder of training sets")
    found = [root] if is_set(root) else sorted(walk(root, DEEPEST))
    if not found:
        raise UserError(f"{root} holds no training set (a folder with manifest.json and rows.jsonl)")
    return [read_set(folder, root, own_test) for folder in found]


def is_set(folder: Path) -> bool:
    return (folder / "manifest.json").is_file() and (folder / "rows.jsonl").is_file()


def walk(folder: Path, depth: int) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        # Image folders may hold millions of files, and no training set.
        inside = [Path(e.path) for e in entries if e.is_dir() and e.name != "images" and not e.name.startswith(".")]
    for path in inside:
        if is_set(path):
            yield path
        elif depth > 1:
            yield from walk(path, depth - 1)


def read_set(folder: Path, root: Path, own_test: bool) -> TrainingSet:
    manifest = Manifest.load(folder)
    image_root = (folder.resolve() / manifest.image_root).resolve()
    name = manifest.name if folder == root else str(folder.relative_to(root))
    own: dict[str, tuple[str, str]] = {}
    which = manifest.options.get("source")
    drawn = SplitDraw(manifest.options.get("test_fraction") or 0.0)
    # Which photos belong together is not kept, and without it the split would be another.
    own_test = own_test and manifest.options.get("groups") is None
    if own_test and isinstance(which, str | dict) and manifest.builder not in ("llava", "drawn"):
        sources = load_again(folder, which, image_root, drawn)
        # Levels stand from coarse to fine, and whatever is held out is so by its finest labels.
        held_out = [name for levels in manifest.held_out.values() for name in [*levels.values()][-1]]
        own = test_images(without_names(sources, held_out) if held_out else sources)
    return TrainingSet(folder, name, image_root, manifest.builder != "llava", own)


def load_again(folder: Path, which: str | dict[str, str], image_root: Path, test: SplitDraw) -> tuple[Source, ...]:
    """The sources that a set was made of; their lists may lie one or two folders above the images."""
    first = None
    for root in (image_root, *image_root.parents[:2]):
        try:
            return load_sources(which, root, test=test)
        except UserError as error:
            first = first or error
    raise UserError(
        f"{folder} was made of {which} at {image_root}, whose test split cannot be read: {first} "
        "(or leave that comparison out: --own-test false)"
    )
