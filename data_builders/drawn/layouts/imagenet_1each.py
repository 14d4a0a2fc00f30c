"""One picture of each class, listed in manifest.jsonl; none of them is a test picture."""

import json

from ..miniature import Miniature, Shot


def write(mini: Miniature) -> None:
    rows = []
    for number, species in enumerate(mini.species):
        wnid = f"n{1440764 + number:08}"
        mini.picture(f"images/{wnid}.jpg", Shot(species, "train", 0))
        rows.append(json.dumps({"image": f"images/{wnid}.jpg", "wnid": wnid, "class_name": species.name}))
    mini.lines("manifest.jsonl", rows)
    mini.texts()
