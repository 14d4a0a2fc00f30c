"""Stanford Dogs' layout: Images/<wnid>-<Name>/, lists as .mat files, an annotation with the box for each picture."""

import numpy as np

from ...shared.files import write_bytes
from ..boxes import edges
from ..matlab import cells, mat_bytes
from ..miniature import Miniature, Shot

ANNOTATION = """<annotation>
\t<folder>{folder}</folder>
\t<filename>{name}</filename>
\t<size>
\t\t<width>{side}</width>
\t\t<height>{side}</height>
\t\t<depth>3</depth>
\t</size>
\t<segment>0</segment>
\t<object>
\t\t<name>{breed}</name>
\t\t<bndbox>
\t\t\t<xmin>{box[0]}</xmin>
\t\t\t<ymin>{box[1]}</ymin>
\t\t\t<xmax>{box[2]}</xmax>
\t\t\t<ymax>{box[3]}</ymax>
\t\t</bndbox>
\t</object>
</annotation>
"""


def write(mini: Miniature) -> None:
    labels = {species.name: label for label, species in enumerate(mini.species, 1)}
    listed: dict[str, list[tuple[str, int]]] = {"train": [], "test": []}
    for number, shot in enumerate(mini.shots("train", "test"), 1):
        label = labels[shot.species.name]
        wnid, breed = f"n{2_090_000 + label:08}", shot.species.name.replace(" ", "_")
        key = f"{wnid}-{breed}/{wnid}_{number}"
        mini.picture(f"Images/{key}.jpg", shot)
        write_bytes(mini.out / "Annotation" / key, annotation(mini, shot, wnid, breed, key).encode())
        listed[shot.split].append((key, label))
    for file, rows in (*listed.items(), ("file", [*listed["train"], *listed["test"]])):
        variables = {
            "file_list": cells([f"{key}.jpg" for key, _ in rows])[:, None],
            "annotation_list": cells([key for key, _ in rows])[:, None],
            "labels": np.array([[label] for _, label in rows], dtype=float),
        }
        write_bytes(mini.out / f"{file}_list.mat", mat_bytes(**variables))
    mini.texts()


def annotation(mini: Miniature, shot: Shot, wnid: str, breed: str, key: str) -> str:
    drawing = mini.drawing(shot)
    return ANNOTATION.format(
        folder=wnid[1:], name=key.rpartition("/")[2], side=drawing.image.width, breed=breed, box=edges(drawing)
    )
