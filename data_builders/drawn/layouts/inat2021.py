"""iNat2021's layout: COCO-style json files, folders that spell out seven ranks, invented binomials ("Wug lum").

The validation images are the test split.
"""

import json

from ...shared.seeding import address_hash
from ..miniature import Miniature
from ..taxonomy import Species

# class of the drawn world -> kingdom, phylum, class
UPPER = {"bird": ("Drawnalia", "Plumata", "Aves"), "fish": ("Inkalia", "Pinnata", "Pisces")}
RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")
FILES = {"train": "train", "test": "val"}


def write(mini: Miniature) -> None:
    genera = list(dict.fromkeys(species.genus for species in mini.species))
    categories = []
    for number, species in enumerate(mini.species):
        first, genus = species.name.split()
        order = f"{genera[genera.index(genus) // 2 * 2].title()}iformes"  # two genera each
        ranks = (*UPPER[species.look.meta], order, f"{genus.title()}idae", genus.title())
        categories.append(
            {
                "id": number,
                "name": latin(species),
                "common_name": species.name.title(),
                "supercategory": {"bird": "Birds", "fish": "Ray-finned Fishes"}[species.look.meta],
                **dict(zip(RANKS, ranks, strict=True)),
                "specific_epithet": first,
                "image_dir_name": "_".join((f"{number:05}", *ranks, first)),
            }
        )
    ids = {species.name: number for number, species in enumerate(mini.species)}
    image_id = 0
    for split, file in FILES.items():
        images, annotations = [], []
        for shot in mini.shots(split):
            category = categories[ids[shot.species.name]]
            name = f"{address_hash(shot.species.name, split, shot.number):032x}"
            name = "-".join((name[:8], name[8:12], name[12:16], name[16:20], name[20:]))
            path = f"{file}/{category['image_dir_name']}/{name}.jpg"
            mini.picture(path, shot)
            images.append(
                {
                    "id": image_id,
                    "width": mini.pixels,
                    "height": mini.pixels,
                    "file_name": path,
                    "license": 0,
                    "rights_holder": "nobody",
                    "date": "2021-03-01 00:00:00+00:00",
                    "latitude": None,
                    "longitude": None,
                    "location_uncertainty": None,
                }
            )
            annotations.append({"id": image_id, "image_id": image_id, "category_id": category["id"]})
            image_id += 1
        whole = {
            "info": {"description": "drawn"},
            "images": images,
            "categories": categories,
            "annotations": annotations,
            "licenses": [{"id": 0, "name": "none", "url": ""}],
        }
        mini.lines(f"{file}.json", [json.dumps(whole)])
    mini.texts(lambda species: latin(species).lower())


def latin(species: Species) -> str:
    """ "Wug lum": the genus first."""
    first, genus = species.name.split()
    return f"{genus.title()} {first}"
