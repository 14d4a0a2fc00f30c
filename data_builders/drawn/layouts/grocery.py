"""The Grocery Store data set's layout: a species is a product, a genus a coarse class; each with a description."""

from ..encyclopedia import encyclopedia
from ..miniature import Miniature, Shot
from ..taxonomy import Species


def write(mini: Miniature) -> None:
    genera = list(dict.fromkeys(species.genus for species in mini.species))
    numbers = {species.name: number for number, species in enumerate(mini.species)}
    lists: dict[str, list[str]] = {}
    for shot in mini.shots():
        species, product = shot.species, name(shot.species)
        image = f"{shot.split}/{kind(species)}/{product}/{product}_{shot.number + 1:03}.jpg"
        mini.picture(f"dataset/{image}", shot)
        line = f"{image}, {numbers[species.name]}, {genera.index(species.genus)}"
        lists.setdefault(shot.split, []).append(line)
    rows = [
        "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),"
        "Iconic Image Path (str),Product Description Path (str)"
    ]
    for species in mini.species:
        product = name(species)
        about = f"iconic-images-and-descriptions/{kind(species)}/{product}/{product}"
        mini.picture(f"dataset/{about}_Iconic.jpg", Shot(species, "iconic", 0))
        mini.lines(f"dataset/{about}_Description.txt", [encyclopedia(species)])
        coarse = f"{species.genus.title()},{genera.index(species.genus)}"
        rows.append(f"{product},{numbers[species.name]},{coarse},/{about}_Iconic.jpg,/{about}_Description.txt")
    for split, lines in lists.items():
        mini.lines(f"dataset/{split}.txt", lines)
    mini.lines("dataset/classes.csv", rows)
    mini.texts()


def kind(species: Species) -> str:
    """The shelf: "Bird/Wug", as Fruit/Apple."""
    return f"{species.look.meta.title()}/{species.genus.title()}"


def name(species: Species) -> str:
    """ "Lum-Wug", as Royal-Gala."""
    return species.name.title().replace(" ", "-")
