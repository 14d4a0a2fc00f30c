"""What every source data set is read into, and the checks they share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..errors import UserError
from ..files import safe_join

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
SPLITS = ("train", "test")


@dataclass(frozen=True)
class LabelledImage:
    """One picture: `image` is relative to the source's root, `category` its finest label, readable and lower case."""

    image: str
    category: str
    split: str  # train or test
    parents: dict[str, str] = field(default_factory=dict)  # level -> label, coarse to fine, without the finest
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Level:
    """One level of names. `rank` is how questions call it; `outside` are labels that no image here bears."""

    name: str
    rank: str
    plural: str
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A data set with its levels from coarse to fine; `meta` names the level whose label is the meta-class word
    (FG-BMK asks about "the aves"), or the word itself when no level has that name."""

    name: str
    root: Path
    images: tuple[LabelledImage, ...]
    levels: tuple[Level, ...]
    meta: str = "object"

    @property
    def finest(self) -> Level:
        return self.levels[-1]

    def level(self, name: str | None) -> Level:
        """The level of that name, the finest for None. UserError when there is none."""
        if name is None:
            return self.finest
        for level in self.levels:
            if level.name == name:
                return level
        raise UserError(f"level is {name!r}; {self.name} has {', '.join(level.name for level in self.levels)}")

    def label(self, row: LabelledImage, level: Level) -> str:
        return row.category if level is self.finest else row.parents[level.name]

    def meta_word(self, row: LabelledImage, level: Level) -> str:
        """What a question calls the thing in the picture; "object" where that would give the answer away."""
        names = [known.name for known in self.levels]
        if self.meta not in names:
            return self.meta
        return "object" if names.index(level.name) <= names.index(self.meta) else row.parents[self.meta]

    def split(self, split: str) -> list[LabelledImage]:
        """The images of train, test, or all. UserError when there are none."""
        if split not in (*SPLITS, "all"):
            raise UserError(f"split is {split!r}; write train, test or all")
        chosen = [row for row in self.images if split in (row.split, "all")]
        if not chosen:
            have = ", ".join(sorted({row.split for row in self.images})) or "none"
            raise UserError(f"{self.name} at {self.root} has no {split} images (splits with images: {have})")
        return chosen

    def labels(self, level: Level) -> list[str]:
        """The level's labels that images bear, in order of appearance (both splits), then those outside."""
        return list(dict.fromkeys([*(self.label(row, level) for row in self.images), *level.outside]))

    @cached_property
    def _siblings(self) -> dict[tuple[str, str], list[str]]:
        groups: dict[tuple[str, str], dict[str, None]] = {}
        parent_of: dict[tuple[str, str], str] = {}
        for parent, level in zip(self.levels, self.levels[1:], strict=False):
            for row in self.images:
                label, above = self.label(row, level), row.parents[parent.name]
                groups.setdefault((level.name, above), {})[label] = None
                parent_of[level.name, label] = above
        return {key: [label for label in groups[key[0], above] if label != key[1]] for key, above in parent_of.items()}

    def siblings(self, level: Level, label: str) -> list[str]:
        """The other labels of that level under the same parent, in order of appearance. The coarsest level has none."""
        return self._siblings.get((level.name, label), [])


def readable(name: str) -> str:
    """ "Black_footed_Albatross" -> "black footed albatross"."""
    return " ".join(name.replace("_", " ").replace("-", " ").split()).lower()


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The file's non-empty lines with their numbers. UserError when the file is missing."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"no file {path}; is the root the data set's own folder, in its official layout?") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text: {error}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.strip()


def check_images(name: str, root: Path, images: Iterable[LabelledImage], place: Path) -> tuple[LabelledImage, ...]:
    """The images, each inside the root and there. UserError names the first that is not, and how many are missing."""
    images = tuple(images)
    missing = [row.image for row in images if not safe_join(root, row.image).is_file()]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(images)} images that {place} lists are not there, the first: {root / missing[0]}. "
            f"Unpack {name} again, or remove those lines."
        )
    if not images:
        raise UserError(f"{place} lists no images of {name}")
    return images
