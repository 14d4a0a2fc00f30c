"""What every source data set is read into: a `Source` of `LabelledImage` rows."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from textwrap import fill

from ..shared.errors import UserError

HELP_WIDTH = 116  # columns
INDENT = " " * 17

# Official validation images are no test images: training sets take train and val together unless told otherwise.
SPLITS = {"trainval": ("train", "val"), "train": ("train",), "val": ("val",), "test": ("test",)}

# In the place of level names, of any data set.
ALL_LEVELS, FINEST_LEVEL = "all", "finest"

Box = tuple[float, float, float, float]  # x, y, width, height in pixels


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One picture: `image` is relative to the source's root, `category` its finest label, spelt as FG-BMK spells it.

    `labels` holds all labels of a picture that bears several (SkinCon); `category` then lists them. A data set may
    have millions of pictures, so readers share one `parents` and one `attributes` mapping among all pictures that
    have the same.
    """

    image: str
    category: str
    split: str  # train, val or test
    parents: dict[str, str] = field(default_factory=dict)  # level -> label, coarse to fine, without the finest
    attributes: dict[str, str] = field(default_factory=dict)  # attribute -> value
    box: Box | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Level:
    """One level of names. `rank` is how questions call it; `outside` are labels that no image here bears.

    `published` is the level's name in FG-BMK's folders and file names, where that is another than `name`.
    """

    name: str
    rank: str
    plural: str
    outside: tuple[str, ...] = ()
    published: str = ""


@dataclass(frozen=True)
class About:
    """What a newcomer must know of a source; each reader's module has one as `ABOUT`."""

    title: str
    where: str  # to get it
    layout: str  # what must lie at --root

    def entry(self, name: str, lead: str = "") -> str:
        """The lines of a help text: name, title and layout; under them where to get it, after `lead`."""
        told = {f"  {name:15}": f"{self.title}: {self.layout}", INDENT: f"{lead}from {self.where}"}
        return "\n".join(
            fill(text, HELP_WIDTH, initial_indent=head, subsequent_indent=INDENT, break_on_hyphens=False)
            for head, text in told.items()
        )


@dataclass(frozen=True)
class HeldOut:
    """What a training set must neither show nor name: labels by level, their other names, and the pictures of both
    splits that bear them."""

    names: dict[str, tuple[str, ...]]
    aliases: tuple[str, ...]
    images: tuple[LabelledImage, ...]

    @property
    def said(self) -> tuple[str, ...]:
        """All names, that no text may say."""
        return tuple(dict.fromkeys([*(name for names in self.names.values() for name in names), *self.aliases]))


def same_name(label: str) -> str:
    """What two spellings of a category have in common: case, blanks, "_", "-", "/" and "," do not count."""
    return " ".join(re.split(r"[\s_\-/,]+", unicodedata.normalize("NFKC", label).casefold().strip(" _-/,")))


@dataclass(frozen=True)
class Source:
    """A data set with its levels from coarse to fine; `meta` names the level whose label is the meta-class word
    (FG-BMK asks about "the aves"), or the word itself when no level has that name."""

    name: str
    root: Path
    images: tuple[LabelledImage, ...]
    levels: tuple[Level, ...]
    meta: str = "object"
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)  # finest label -> its other names
    attribute_values: dict[str, tuple[str, ...]] = field(default_factory=dict)  # attribute -> all its values, in order
    held_out: HeldOut | None = None  # `images`, `levels` and `aliases` are without it

    @property
    def finest(self) -> Level:
        """The level of names that categories have."""
        return self.levels[-1]

    @property
    def multi_label(self) -> bool:
        """Do pictures bear several labels at once?"""
        return bool(self.images and self.images[0].labels)

    def level(self, name: str | None) -> Level:
        """The level of that name, the finest for None. UserError when there is none."""
        if name is None:
            return self.finest
        for level in self.levels:
            if level.name == name:
                return level
        raise UserError(f"level is {name!r}; {self.name} has {', '.join(level.name for level in self.levels)}")

    def chosen(self, names: tuple[str, ...] | None, otherwise: Iterable[Level]) -> list[Level]:
        """The levels of these names, or of the one word "all" or "finest"; `otherwise` for None. UserError when one is
        not there."""
        if not names:
            return list(otherwise)
        some = {ALL_LEVELS: self.levels, FINEST_LEVEL: (self.finest,)}.get(",".join(names))
        return list(some) if some else [self.level(name) for name in names]

    def label(self, row: LabelledImage, level: Level) -> str:
        """The picture's name at that level."""
        return row.category if level is self.finest else row.parents[level.name]

    def meta_word(self, row: LabelledImage, level: Level) -> str:
        """What a question calls the thing in the picture; "object" where that would give the answer away."""
        names = [known.name for known in self.levels]
        if self.meta not in names:
            return self.meta
        return "object" if names.index(level.name) <= names.index(self.meta) else row.parents[self.meta]

    def split(self, split: str) -> list[LabelledImage]:
        """The images of trainval, train, val or test. UserError when there are none."""
        if split not in SPLITS:
            raise UserError(f"split is {split!r}; write {', '.join(SPLITS)}")
        chosen = [row for row in self.images if row.split in SPLITS[split]]
        if not chosen:
            have = ", ".join(sorted({row.split for row in self.images})) or "none"
            draw = ". To draw some of its images: --test-fraction 0.2, the same for every builder" * (split == "test")
            raise UserError(f"{self.name} at {self.root} has no {split} images (splits with images: {have}){draw}")
        return chosen

    def labels(self, level: Level) -> list[str]:
        """The level's labels that images bear, in order of appearance (both splits), then those outside."""
        if self.multi_label and level is self.finest:
            return list(dict.fromkeys([label for row in self.images for label in row.labels]))
        return list(dict.fromkeys([*(self.label(row, level) for row in self.images), *level.outside]))

    def at(self, root: Path, folder: str) -> "Source":
        """The same data set seen from `root`, in whose `folder` it lies: several sets then share one image root."""
        inside = self.root.relative_to(root / folder).as_posix()
        lead = "/".join(part for part in (folder.strip("/"), inside) if part not in ("", "."))
        if not lead:
            return self
        return replace(self, root=root, images=tuple(replace(row, image=f"{lead}/{row.image}") for row in self.images))

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
