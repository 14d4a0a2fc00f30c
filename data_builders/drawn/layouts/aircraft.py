"""FGVC-Aircraft's layout: a genus is a family, its species are variants ("Wug-100"), two genera are a manufacturer."""

from ..boxes import corners
from ..miniature import Miniature
from ..taxonomy import Species

# Four, so that there is a question with four options at each level.
MANUFACTURERS = ("Bird Aircraft", "Air Bird", "Fish Industrie", "Air Fish")


def write(mini: Miniature) -> None:
    siblings: dict[str, list[str]] = {}
    for one in mini.species:
        siblings.setdefault(one.genus, []).append(one.name)
    genera = list(siblings)

    def variant(species: Species) -> str:
        return f"{family(species)}-{100 * (1 + siblings[species.genus].index(species.name))}"

    def manufacturer(species: Species) -> str:
        return MANUFACTURERS[genera.index(species.genus) * len(MANUFACTURERS) // len(genera)]

    levels = {"variant": variant, "family": family, "manufacturer": manufacturer}
    plurals = {"variant": "variants", "family": "families", "manufacturer": "manufacturers"}
    lists: dict[str, list[str]] = {}
    boxes = []
    for number, shot in enumerate(mini.shots(), 1):
        image = f"{number * 37:07}"
        mini.picture(f"data/images/{image}.jpg", shot)
        boxes.append(" ".join(map(str, (image, *corners(mini.drawing(shot))))))
        for level, name in levels.items():
            for split in (shot.split,) if shot.split == "test" else (shot.split, "trainval"):
                lists.setdefault(f"images_{level}_{split}", []).append(f"{image} {name(shot.species)}")
                if level == "variant":
                    lists.setdefault(f"images_{split}", []).append(image)
    for level, name in levels.items():
        lists[plurals[level]] = list(dict.fromkeys(name(species) for species in mini.species))
    lists["images_box"] = boxes
    for name, lines in lists.items():
        mini.lines(f"data/{name}.txt", lines)
    mini.texts(variant)


def family(species: Species) -> str:
    return species.genus.title()
