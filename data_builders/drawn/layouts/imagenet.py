"""ImageNet's layout as it is unpacked: train/ in a folder a synset, val/ flat, the devkit, and Kaggle's list of names.

The devkit numbers the classes otherwise than the synsets are sorted, and lists the inner nodes of the tree after them.
"""

import numpy as np

from ...shared.files import write_bytes
from ...sources.imagenet import DEVKIT, MAPPING, TRUTH
from ..matlab import mat_bytes, struct_array
from ..miniature import Miniature
from ..taxonomy import Species


def write(mini: Miniature) -> None:
    synsets = {species.name: f"n{1_440_764 + 13 * number:08}" for number, species in enumerate(mini.species)}
    ids = {name: number for number, name in enumerate(reversed(synsets), 1)}
    for shot in mini.shots("train"):
        synset = synsets[shot.species.name]
        mini.picture(f"train/{synset}/{synset}_{shot.number}.JPEG", shot)
    # The pictures of a class do not follow each other in the data set either.
    truth = []
    for number, shot in enumerate(sorted(mini.shots("test"), key=lambda shot: shot.number), 1):
        mini.picture(f"val/ILSVRC2012_val_{number:08}.JPEG", shot)
        truth.append(str(ids[shot.species.name]))
    by_id = sorted(mini.species, key=lambda species: ids[species.name])
    nodes = [record(ids[one.name], synsets[one.name], words(one), 0) for one in by_id]
    genera = dict.fromkeys(one.genus for one in mini.species)
    nodes += [record(len(ids) + place, f"n{2_000_000 + place:08}", name, 4) for place, name in enumerate(genera, 1)]
    write_bytes(mini.out / DEVKIT / "data" / "meta.mat", mat_bytes(synsets=struct_array(nodes)[:, np.newaxis]))
    mini.lines(f"{DEVKIT}/data/{TRUTH}", truth)
    mini.lines(MAPPING, [f"{synsets[one.name]} {words(one)}" for one in mini.species])
    mini.texts()


def record(number: int, synset: str, synonyms: str, children: int) -> dict[str, object]:
    return {"ILSVRC2012_ID": number, "WNID": synset, "words": synonyms, "num_children": children}


def words(species: Species) -> str:
    first, genus = species.name.split()
    return f"{species.name}, {genus.capitalize()} {first}us"
