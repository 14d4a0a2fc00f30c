"""Where the object is in a task's pictures: the boxes of the data set's own layout, and CUB's segmentations."""

from functools import lru_cache
from pathlib import Path

from data_builders.fgbmk_layout import DATASETS
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, sha256_file
from data_builders.sources import known_sources, load_source
from data_builders.sources.base import Box

from ..tasks.task import Item, Task
from ..tasks.task_files import spec_of
from .picture_changes import GreyBackground

SOURCE_OF = {dataset: source for source, dataset in DATASETS.items()}
NEEDS = "grey_background needs boxes or masks of the objects"


def grey_backgrounds(task: Task) -> dict[int | str, GreyBackground]:
    """Question id -> the change of its picture. UserError where the pictures have neither boxes nor masks."""
    name, root = source_of(task), Path(task.image_root)
    if name not in known_sources():
        raise UserError(f"task {task.name}: {NEEDS}, and no data set is known that its pictures are of")
    try:
        boxes = boxes_of(name, root)
    except UserError as error:
        raise UserError(f"task {task.name}: {NEEDS}: {error}") from None
    found = {}
    for item in task.items:
        if item.image_path is None:
            continue
        mask = mask_of(root, item)
        box = boxes.get(item.image_path.resolve())
        if box is None and mask is None:
            raise UserError(
                f"task {task.name}: {NEEDS}, and {name} at {root} has none of {item.image}. Sources that have: cub "
                "(bounding_boxes.txt; masks in segmentations/, in the data set or beside it), dogs, deepfashion"
            )
        found[item.question_id] = GreyBackground(
            None if mask else box, str(mask or ""), sha256_file(mask)[:32] if mask else ""
        )
    return found


def source_of(task: Task) -> str:
    """The reader of the data set that the pictures are of: as the builder of the questions noted it, else by name."""
    for folder in list(task.source.parents)[:2] if task.source else []:
        manifest = folder / "manifest.json"
        told = read_json(manifest) if manifest.is_file() else None
        if isinstance(told, dict) and isinstance(told.get("sources"), list) and len(told["sources"]) == 1:
            return str(told["sources"][0])
    dataset = spec_of(task.name)[1]["dataset"]
    return SOURCE_OF.get(dataset, dataset)


@lru_cache(maxsize=8)
def boxes_of(name: str, root: Path) -> dict[Path, Box]:
    source = load_source(name, root, look_for_images=False)
    return {(source.root / row.image).resolve(): row.box for row in source.images if row.box is not None}


def mask_of(root: Path, item: Item) -> Path | None:
    """CUB's segmentation of a picture, where it was unpacked: in the data set's folder or beside it."""
    inside = item.image.removeprefix("images/")
    places = (place / "segmentations" / Path(inside).with_suffix(".png") for place in (root, root.parent))
    return next((path for path in places if path.is_file()), None)
