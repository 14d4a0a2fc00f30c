"""Products-10K's layout: a species is a class and a genus a group, both numbers; the challenge's test list."""

from ..miniature import Miniature
from ..taxonomy import Species


def write(mini: Miniature) -> None:
    classes = {species.name: 3 * number for number, species in enumerate(mini.species)}
    groups = {genus: 10 + place for place, genus in enumerate(dict.fromkeys(one.genus for one in mini.species))}
    lists = {"train": ["name,class,group"], "test": ["name,class,Usage"]}
    for number, shot in enumerate(mini.shots("train", "test"), 1):
        name, label = f"{number * 41}.jpg", classes[shot.species.name]
        mini.picture(f"{shot.split}/{name}", shot)
        last = groups[shot.species.genus] if shot.split == "train" else ("Public", "Private")[number % 2]
        lists[shot.split].append(f"{name},{label},{last}")
    mini.lines("train.csv", lists["train"])
    mini.lines("test_kaggletest.csv", lists["test"])

    def product(species: Species) -> str:
        return f"product {classes[species.name]}"

    mini.texts(product)
