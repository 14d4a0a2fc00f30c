"""FGVC-Aircraft's layout: variants ("Kestro 100") of families of manufacturers."""

from ..boxes import corners
from ..miniature import Miniature


def write(mini: Miniature) -> None:
    levels = {
        "variant": lambda one: one.name,
        "family": lambda one: one.parents["family"],
        "manufacturer": lambda one: one.parents["manufacturer"],
    }
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
    mini.texts()
