"""Oxford Flowers-102's layout: numbered pictures, labels and splits as .mat files, names like "amsel bellwort"."""

import numpy as np

from ...shared.files import write_bytes, write_json
from ..matlab import mat_bytes
from ..miniature import Miniature


def write(mini: Miniature) -> None:
    label_of = {species.name: label for label, species in enumerate(mini.species, 1)}
    # The pictures of a class do not follow each other in the data set either.
    shots = sorted(mini.shots(), key=lambda shot: shot.number)
    splits: dict[str, list[int]] = {split: [] for split in mini.counts}
    for number, shot in enumerate(shots, 1):
        mini.picture(f"jpg/image_{number:05}.jpg", shot)
        splits[shot.split].append(number)
    labels = np.array([label_of[shot.species.name] for shot in shots], dtype=np.uint8)
    write_bytes(mini.out / "imagelabels.mat", mat_bytes(labels=labels))
    trnid, valid, tstid = (np.array(splits[split], dtype=np.uint16) for split in ("train", "val", "test"))
    write_bytes(mini.out / "setid.mat", mat_bytes(trnid=trnid, valid=valid, tstid=tstid))
    write_json(mini.out / "cat_to_name.json", {str(label_of[one.name]): one.name for one in mini.species})
    mini.texts()
