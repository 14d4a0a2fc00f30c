"""VegFru's layout: vegetables and fruits, each in super-classes; both forms of the lists."""

from ...sources.vegfru import PARTS, SPLITS
from ..miniature import Miniature
from ..worlds.domain import Category


def write(mini: Miniature) -> None:
    merged: dict[str, list[str]] = {split: [] for split in SPLITS}
    before = 0  # classes of the other part: the merged lists count on
    for part in PARTS:
        everyone = [one for one in mini.species if one.parents["group"] == part.group]
        codes = class_codes(everyone)
        lists: dict[str, list[str]] = {split: [] for split in SPLITS}
        taken: dict[str, int] = {}
        for shot in mini.shots():
            name = shot.species.name
            if name not in codes:
                continue
            taken[name] = taken.get(name, 0) + 1
            label = list(codes).index(name)
            path = f"{folder(name)}/{part.group[0]}_{codes[name]}_{taken[name]:04}.jpg"
            mini.picture(f"{part.folder}_images/{path}", shot)
            lists[shot.split].append(f"{path} {label}")
            merged[shot.split].append(f"{part.folder}_images/{path} {before + label}")
        for split, lines in lists.items():
            mini.lines(f"{part.folder}_lists/{part.short}_{split}.txt", lines)
        mini.lines(f"{part.folder}_lists/{part.short}_subclasses.txt", map(folder, codes))
        before += len(everyone)
    for split, lines in merged.items():
        mini.lines(f"vegfru_list/vegfru_{split}.txt", lines)
    mini.texts()


def folder(name: str) -> str:
    return name.replace(" ", "_")


def class_codes(everyone: list[Category]) -> dict[str, str]:
    """class -> "02_03": the number of its super-class, and its own number in it, both from 1."""
    groups = list(dict.fromkeys(one.parents["superclass"] for one in everyone))
    codes: dict[str, str] = {}
    for number, group in enumerate(groups, 1):
        members = [one.name for one in everyone if one.parents["superclass"] == group]
        codes.update({name: f"{number:02}_{place:02}" for place, name in enumerate(members, 1)})
    return codes
