"""Stanford Cars' layout with the devkit: names are like "Brenta Domino Sedan 2007", the make first."""

from ...shared.files import write_bytes
from ..boxes import corners
from ..matlab import cells, mat_bytes, struct_array
from ..miniature import Miniature

CORNERS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


def write(mini: Miniature) -> None:
    label_of = {species.name: label for label, species in enumerate(mini.species, 1)}
    rows: dict[str, list[dict]] = {"train": [], "test": []}
    # The pictures of a class do not follow each other in the data set either.
    for shot in sorted(mini.shots("train", "test"), key=lambda shot: shot.number):
        file = f"{len(rows[shot.split]) + 1:05}.jpg"
        mini.picture(f"cars_{shot.split}/{file}", shot)
        box = dict(zip(CORNERS, corners(mini.drawing(shot)), strict=True))
        rows[shot.split].append({**box, "class": label_of[shot.species.name], "fname": file})
    write_bytes(mini.out / "devkit/cars_meta.mat", mat_bytes(class_names=cells([one.name for one in mini.species])))
    unlabelled = [{key: value for key, value in row.items() if key != "class"} for row in rows["test"]]
    for file, listed in (
        ("devkit/cars_train_annos.mat", rows["train"]),
        ("devkit/cars_test_annos.mat", unlabelled),
        ("cars_test_annos_withlabels.mat", rows["test"]),
    ):
        write_bytes(mini.out / file, mat_bytes(annotations=struct_array(listed)))
    mini.texts()
