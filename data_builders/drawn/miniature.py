"""Drawn categories as the pictures of any data set; a module in layouts/ writes them as that data set lies on disk.

A layout module has `write(mini)`. It names categories as its data set does, writes every list file that the data set
has, and asks `mini.picture(...)` for each picture. Sources with a domain of their own (worlds/) show that; the others
show the 32 creatures in 8 genera of 2 classes, whatever the levels are called there.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ..shared.files import atomic_write, write_bytes
from ..shared.seeding import draw
from .canvas import jpeg
from .creatures import draw_creature
from .encyclopedia import encyclopedia
from .pose import Drawing
from .taxonomy import Species, all_species


class Shown(Protocol):
    """What a source's pictures show: categories, how they are drawn, and what an encyclopedia says of them."""

    categories: tuple

    def draw(self, category: Any, rng: np.random.Generator, pixels: int) -> Drawing: ...
    def text(self, category: Any) -> str: ...


class Creatures:
    """The 32 species of taxonomy.py."""

    categories = tuple(all_species())

    def draw(self, category: Species, rng: np.random.Generator, pixels: int) -> Drawing:
        return draw_creature(category.look, rng, pixels)

    def text(self, category: Species) -> str:
        return encyclopedia(category)


CREATURES = Creatures()


@dataclass(frozen=True)
class Shot:
    """One picture of a category."""

    species: Any  # a category of what is shown
    split: str
    number: int  # within category and split


@dataclass(frozen=True)
class Miniature:
    """A folder that is being filled with drawn pictures and the lists that name them."""

    out: Path
    seed: str  # part of the address of every draw
    pixels: int
    counts: dict[str, int]  # split -> pictures of each category
    advance: Callable[[int], None] = lambda count: None  # of the progress bar, one per picture
    shown: Shown = CREATURES

    @property
    def species(self) -> tuple:
        """The categories, in the order of their numbers."""
        return self.shown.categories

    def shots(self, *splits: str) -> Iterator[Shot]:
        """The pictures of these splits (default all), category by category."""
        for species in self.species:
            for split in splits or self.counts:
                yield from (Shot(species, split, number) for number in range(self.counts[split]))

    def drawing(self, shot: Shot) -> Drawing:
        """The picture with its bounding box, when a list needs one."""
        rng = draw(self.seed, "drawn", "species", shot.species.name, shot.split, shot.number)
        return self.shown.draw(shot.species, rng, self.pixels)

    def picture(self, path: str, shot: Shot, encode: Callable[[Image.Image], bytes] = jpeg) -> None:
        """Write the picture to `path`, relative to the folder, unless an interrupted build has written it."""
        if not (self.out / path).exists():
            write_bytes(self.out / path, encode(self.drawing(shot).image))
        self.advance(1)

    def lines(self, path: str, lines: Iterable[str]) -> None:
        """Write a list file."""
        with atomic_write(self.out / path) as file:
            file.writelines(f"{line}\n" for line in lines)

    def texts(self, name: Callable[[Any], str] = lambda species: species.name) -> None:
        """One encyclopedia text per category, texts/<category>.txt; `name` gives the category's name in this set."""
        for species in self.species:
            text = self.shown.text(species).replace(species.name, name(species))
            self.lines(f"texts/{name(species)}.txt", [text])
