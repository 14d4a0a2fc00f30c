"""Oxford-IIIT Pets: images/<Breed>_<number>.jpg, annotations/trainval.txt, test.txt and list.txt.

A line is "Abyssinian_100 1 1 1": picture, class (1 to 37), species (1 cat, 2 dog), breed within the species. Breeds are
spelt in small letters: the file names tell cats from dogs by a capital. annotations/xmls has boxes of heads alone, and
of few test pictures, so none are read.
"""

from pathlib import Path

from ..shared.errors import UserError
from .base import About, LabelledImage, Level, Source
from .reading import check_images, numbered_lines, readable

ABOUT = About(
    title="Oxford-IIIT Pets",
    where="https://www.robots.ox.ac.uk/~vgg/data/pets/",
    layout="images/ and annotations/ (trainval.txt, test.txt, list.txt)",
)
SPECIES = {"1": "cat", "2": "dog"}


def read(root: Path) -> Source:
    """Levels species > breed; meta-class word "cat" or "dog"."""
    folder = root / "annotations"
    parents = {name: {"species": name} for name in SPECIES.values()}
    nothing: dict[str, str] = {}
    classes: dict[str, tuple[str, str]] = {}  # class number -> (breed, species)
    numbers: dict[str, str] = {}  # breed -> class number
    split_of: dict[str, str] = {}
    rows = []
    for split, list_name in (("train", "trainval.txt"), ("test", "test.txt")):
        for place, picture, number, species in read_list(folder / list_name):
            if picture in split_of:
                raise UserError(f"{place}: {picture} stands in the {split_of[picture]} list already")
            breed = readable(picture.rpartition("_")[0])
            check_class(place, breed, species, number, classes, numbers)
            split_of[picture] = split
            rows.append(LabelledImage(f"images/{picture}.jpg", breed, split, parents[species], nothing))
    for place, picture, number, species in read_list(folder / "list.txt"):
        check_class(place, readable(picture.rpartition("_")[0]), species, number, classes, numbers)
        if picture not in split_of:
            raise UserError(f"{place}: {picture} is neither in trainval.txt nor in test.txt")
    images = check_images("Oxford-IIIT Pets", root, rows, folder / "trainval.txt")
    levels = (Level("species", "species", "species"), Level("breed", "breed", "breeds"))
    return Source("pets", root, images, levels, meta="species")


def read_list(path: Path) -> list[tuple[str, str, str, str]]:
    """(where it stands, picture, class number, species) of each line but comments."""
    found = []
    for number, line in numbered_lines(path):
        if line.startswith("#"):
            continue
        place, parts = f"{path}, line {number}", line.split()
        if len(parts) != 4 or parts[2] not in SPECIES or not parts[0].rpartition("_")[0]:
            raise UserError(f'{place}: expected "Abyssinian_100 1 1 1" (picture, class, 1 cat or 2 dog, breed): {line}')
        found.append((place, parts[0], parts[1], SPECIES[parts[2]]))
    return found


def check_class(
    place: str, breed: str, species: str, number: str, classes: dict[str, tuple[str, str]], numbers: dict[str, str]
) -> None:
    """UserError where a class is called by two names, or a breed has two numbers or species."""
    if classes.setdefault(number, (breed, species)) != (breed, species):
        raise UserError(f"{place}: {breed} ({species}) is of class {number}, elsewhere {' '.join(classes[number])} is")
    if numbers.setdefault(breed, number) != number:
        raise UserError(f"{place}: {breed} is of class {number}, elsewhere of {numbers[breed]}")
