"""MTARSI's layout: a folder per class, called with hyphens; FG-BMK's lists at the root say what is test."""

from ..miniature import Miniature
from ..taxonomy import Species


def write(mini: Miniature) -> None:
    numbers = {folder(species): number for number, species in enumerate(mini.species)}
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for number, shot in enumerate(mini.shots("train", "test"), 1):
        name = folder(shot.species)
        image = f"{name}/{name}_{number:03}.jpg"
        mini.picture(image, shot)
        lists[shot.split].append(f"{image},{numbers[name]}")
    for split, lines in lists.items():
        mini.lines(f"{split}.csv", lines)
    mini.texts(folder)


def folder(species: Species) -> str:
    return species.name.replace(" ", "-")
