"""Food-101's layout: lists as texts and as json, class folders like "abani_ragout"."""

from ...shared.files import write_json
from ..miniature import Miniature
from ..worlds.domain import Category


def write(mini: Miniature) -> None:
    lists: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    for number, shot in enumerate(mini.shots("train", "test"), 1):
        name = folder(shot.species)
        key = f"{name}/{number * 37}"
        mini.picture(f"images/{key}.jpg", shot)
        lists[shot.split].setdefault(name, []).append(key)
    for split, keys in lists.items():
        write_json(mini.out / f"meta/{split}.json", keys)
        mini.lines(f"meta/{split}.txt", [key for listed in keys.values() for key in listed])
    mini.lines("meta/classes.txt", map(folder, mini.species))
    mini.lines("meta/labels.txt", [species.name.capitalize() for species in mini.species])
    mini.texts()


def folder(dish: Category) -> str:
    return dish.name.replace(" ", "_")
