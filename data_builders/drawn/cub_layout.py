"""The drawn species in CUB-200-2011's official layout, with taxonomy.csv and a text per species beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..shared.files import atomic_write
from ..shared.seeding import draw
from .creatures import draw_creature
from .encyclopedia import encyclopedia
from .pose import Drawing
from .taxonomy import ATTRIBUTES, Species


@dataclass(frozen=True)
class Picture:
    """One line of images.txt."""

    image_id: int  # from 1
    class_id: int  # from 1
    species: Species
    split: str
    number: int  # within species and split

    @property
    def path(self) -> str:
        name, shown = self.species.folder, self.number + (0 if self.split == "train" else 5000)
        return f"{self.class_id:03}.{name}/{name}_{shown:04}_{self.image_id}.jpg"

    def draw(self, seed: int, pixels: int) -> Drawing:
        rng = draw(seed, "drawn", "species", self.species.name, self.split, self.number)
        return draw_creature(self.species.look, rng, pixels)


def pictures(everyone: list[Species], train: int, test: int) -> list[Picture]:
    found: list[Picture] = []
    for class_id, species in enumerate(everyone, 1):
        for split, count in (("train", train), ("test", test)):
            found += [Picture(len(found) + 1 + n, class_id, species, split, n) for n in range(count)]
    return found


def class_attribute_lines(everyone: list[Species]) -> Iterator[str]:
    for species in everyone:
        has = species.look.attributes()
        yield " ".join("100.0" if has[name] == value else "0.0" for name in ATTRIBUTES for value in ATTRIBUTES[name])


def write_lists(
    folder: Path, everyone: list[Species], listed: list[Picture], boxes: dict[int, tuple[float, float, float, float]]
) -> None:
    """All files but the images; images.txt last, so a folder with images.txt is whole."""
    names = [f"has_{name.replace(' ', '_')}::{value}" for name in ATTRIBUTES for value in ATTRIBUTES[name]]
    files = {
        "attributes/attributes.txt": [f"{i} {name}" for i, name in enumerate(names, 1)],
        "attributes/certainties.txt": ["1 not visible", "2 guessing", "3 probably", "4 definitely"],
        "attributes/class_attribute_labels_continuous.txt": list(class_attribute_lines(everyone)),
        "taxonomy.csv": ["species,genus,class", *(f"{s.name},{s.genus},{s.look.meta}" for s in everyone)],
        "classes.txt": [f"{i} {i:03}.{species.folder}" for i, species in enumerate(everyone, 1)],
        "image_class_labels.txt": [f"{one.image_id} {one.class_id}" for one in listed],
        "train_test_split.txt": [f"{one.image_id} {int(one.split == 'train')}" for one in listed],
        "bounding_boxes.txt": [f"{one.image_id} {' '.join(f'{v:.1f}' for v in boxes[one.image_id])}" for one in listed],
        **{f"texts/{species.name}.txt": [encyclopedia(species)] for species in everyone},
        "images.txt": [f"{one.image_id} {one.path}" for one in listed],
    }
    for name, lines in files.items():
        with atomic_write(folder / name) as file:
            file.write("\n".join(lines) + "\n")


def image_attribute_lines(listed: list[Picture]) -> Iterator[str]:
    """A line for each picture and value: image id, attribute id, is present, certainty, seconds.

    As in the archive, what somebody only guessed is marked present too (certainty 2), and some lines have a column too
    many.
    """
    values = [(name, value) for name in ATTRIBUTES for value in ATTRIBUTES[name]]
    for one in listed:
        has = one.species.look.attributes()
        rng = draw("drawn", "image attributes", one.path)
        guessed, extra = (int(number) for number in rng.integers(len(values), size=2))
        for number, (name, value) in enumerate(values):
            present = has[name] == value
            certainty = 2 if number == guessed and not present else int(rng.integers(3, 5))
            seconds = f"{'0 ' if number == extra and one.image_id % 8 == 0 else ''}{rng.integers(1, 900) / 100}"
            yield f"{one.image_id} {number + 1} {int(present or certainty == 2)} {certainty} {seconds}"
