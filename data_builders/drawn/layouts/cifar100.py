"""CIFAR-100's binary version (cifar-100-binary/), and beside it what `unpack` makes of it: train/ and test/."""

import numpy as np
from PIL import Image

from ...shared.files import atomic_write
from ..canvas import png
from ..miniature import Miniature
from ..taxonomy import Species

SIDE = 32  # pixels


def write(mini: Miniature) -> None:
    genera = list(dict.fromkeys(species.genus for species in mini.species))
    fine = {species.name: number for number, species in enumerate(mini.species)}
    for split in ("train", "test"):
        with atomic_write(mini.out / f"cifar-100-binary/{split}.bin", "wb") as file:
            for number, shot in enumerate(mini.shots(split)):
                species = shot.species
                image = mini.drawing(shot).image.resize((SIDE, SIDE), Image.Resampling.BOX)
                mini.picture(
                    f"{split}/{species.genus}/{name(species)}/{number:05}.png", shot, lambda _, small=image: png(small)
                )
                file.write(bytes((genera.index(species.genus), fine[species.name])))
                file.write(np.asarray(image).transpose(2, 0, 1).tobytes())
    mini.lines("cifar-100-binary/fine_label_names.txt", [name(species) for species in mini.species])
    mini.lines("cifar-100-binary/coarse_label_names.txt", genera)
    mini.texts()


def name(species: Species) -> str:
    """ "lum_wug", as aquatic_mammals."""
    return species.name.replace(" ", "_")
