"""The drawn creatures as the pictures of any data set; a module in layouts/ writes them as that data set lies on disk.

A layout module has `write(mini)`. It names categories as its data set does, writes every list file that the data set
has, and asks `mini.picture(...)` for each picture. The 32 species lie in 8 genera of 2 classes: as variant, family,
manufacturer, or whatever the levels are called there.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ..shared.files import atomic_write, write_bytes
from ..shared.seeding import draw
from .canvas import jpeg
from .creatures import Drawing, draw_creature
from .encyclopedia import encyclopedia
from .taxonomy import Species, all_species


@dataclass(frozen=True)
class Shot:
    """One picture of a species."""

    species: Species
    split: str
    number: int  # within species and split

    def draw(self, seed: int | str, pixels: int) -> Drawing:
        rng = draw(seed, "drawn", "species", self.species.name, self.split, self.number)
        return draw_creature(self.species.look, rng, pixels)


@dataclass(frozen=True)
class Miniature:
    """A folder that is being filled with drawn pictures and the lists that name them."""

    out: Path
    seed: str  # part of the address of every draw
    pixels: int
    counts: dict[str, int]  # split -> pictures of each species
    advance: Callable[[int], None] = lambda count: None  # of the progress bar, one per picture
    species: tuple[Species, ...] = field(default_factory=lambda: tuple(all_species()))

    def shots(self, *splits: str) -> Iterator[Shot]:
        """The pictures of these splits (default all), species by species."""
        for species in self.species:
            for split in splits or self.counts:
                yield from (Shot(species, split, number) for number in range(self.counts[split]))

    def drawing(self, shot: Shot) -> Drawing:
        """The picture with its bounding box, when a list needs one."""
        return shot.draw(self.seed, self.pixels)

    def picture(self, path: str, shot: Shot, encode: Callable[[Image.Image], bytes] = jpeg) -> None:
        """Write the picture to `path`, relative to the folder, unless an interrupted build has written it."""
        if not (self.out / path).exists():
            write_bytes(self.out / path, encode(self.drawing(shot).image))
        self.advance(1)

    def lines(self, path: str, lines: Iterable[str]) -> None:
        """Write a list file."""
        with atomic_write(self.out / path) as file:
            file.writelines(f"{line}\n" for line in lines)

    def texts(self, name: Callable[[Species], str] = lambda species: species.name) -> None:
        """One encyclopedia text per category, texts/<category>.txt; `name` gives the category's name in this set."""
        for species in self.species:
            text = encyclopedia(species).replace(species.name, name(species))
            self.lines(f"texts/{name(species)}.txt", [text])
