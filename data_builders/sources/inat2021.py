"""iNaturalist 2021: train.json (or train_mini.json) and val.json in COCO style, the pictures in folders that spell out
their taxonomy (00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris).

The official test images have no labels, so the validation images are the test split, as FG-BMK has it. Without the
json files the folders are read; common names are then unknown. The names are those of biology: a genus of plants may
be called as one of birds (Prunella), so labels are unique within their kingdom only.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..shared.errors import UserError
from ..shared.json_stream import json_arrays
from .base import About, LabelledImage, Level, Source
from .reading import check_images, files_in, passed_over, pictures_among

ABOUT = About(
    title="iNat2021",
    where="https://github.com/visipedia/inat_comp/tree/master/2021",
    layout="train.json and train/ (or train_mini.json and train_mini/), val.json and val/",
)

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")
PLURALS = ("kingdoms", "phyla", "classes", "orders", "families", "genera")
TRAIN = ("train", "train_mini")
SPLIT_OF = {"train": "train", "train_mini": "train", "val": "test"}
NO_ATTRIBUTES: dict[str, str] = {}  # one for millions of images


class Taxon:
    """A species: its name, its parents and its common name, shared by all its images."""

    def __init__(self, folder: str, place: str, record: dict | None = None):
        parts, record = folder.split("_"), record or {}
        if all(isinstance(record.get(rank), str) for rank in (*RANKS, "name")):
            ranks, name = [record[rank] for rank in RANKS], record["name"]
        elif len(parts) >= 8:
            ranks, name = parts[1:7], " ".join(parts[6:])
        else:
            raise UserError(
                f"{place}: expected {', '.join(RANKS)} and name, or a folder such as "
                f"00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris, not {folder!r}"
            )
        self.name = name.lower()
        self.parents = {rank: label.lower() for rank, label in zip(RANKS, ranks, strict=True)}
        self.common = str(record.get("common_name") or "").lower()
        self.used = False


def read(root: Path) -> Source:
    """Levels kingdom > phylum > class > order > family > genus > species; FG-BMK's meta-class word is the kingdom."""
    rows: list[LabelledImage] = []
    taxa: dict[str, Taxon] = {}  # by name
    places = list(parts(root))
    for part, path in places:
        images = from_json(path) if path.suffix == ".json" else from_folders(path, root)
        for image, taxon in images:
            known = taxa.setdefault(taxon.name, taxon)
            if known is not taxon:
                if known.parents != taxon.parents:
                    raise UserError(
                        f"{path}: {taxon.name!r} lies under {list(taxon.parents.values())}, "
                        f"in {places[0][1]} under {list(known.parents.values())}"
                    )
                known.common = known.common or taxon.common
            rows.append(LabelledImage(image, known.name, SPLIT_OF[part], known.parents, NO_ATTRIBUTES))
    images = check_images("iNat2021", root, rows, places[0][1])
    levels = [Level(rank, rank, plural) for rank, plural in zip(RANKS, PLURALS, strict=True)]
    aliases = {name: (taxon.common,) for name, taxon in taxa.items() if taxon.common not in ("", name)}
    return Source("inat2021", root, images, (*levels, Level("species", "species", "species")), "kingdom", aliases)


def parts(root: Path) -> Iterator[tuple[str, Path]]:
    """(train, train_mini or val, its json file or folder of pictures); the full training set before the mini one."""
    for group in (TRAIN, ("val",)):
        # Both lists often lie there with the pictures of only one.
        listed = [part for part in group if (root / f"{part}.json").exists()]
        listed.sort(key=lambda part: not (root / part).is_dir())
        folders = [part for part in group if (root / part).is_dir()]
        if listed:
            yield listed[0], root / f"{listed[0]}.json"
        elif folders:
            yield folders[0], root / folders[0]
        else:
            raise UserError(
                f"{root} has neither {group[0]}.json nor {group[0]}/; iNat2021 is laid out as {ABOUT.layout}"
            )


def from_json(path: Path) -> Iterator[tuple[str, Taxon]]:
    """(image path, taxon) of every image in a COCO-style file, in its order."""
    files, image_ids = [], array("q")
    annotated, category_ids = array("q"), array("q")
    taxa: dict[int, Taxon] = {}
    for key, record in json_arrays(path):
        try:
            if key == "images":
                files.append(record["file_name"])
                image_ids.append(record["id"])
            elif key == "annotations":
                annotated.append(record["image_id"])
                category_ids.append(record["category_id"])
            elif key == "categories":
                place = f"{path}, category {record['id']}"
                taxa[record["id"]] = Taxon(str(record.get("image_dir_name", "")), place, record)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path}: in {key}, wrong or missing {error}: {str(record)[:200]}") from None
    if not files:
        raise UserError(f"{path} lists no images")
    for image, category in zip(files, categories_of(path, files, image_ids, annotated, category_ids), strict=True):
        if category not in taxa:
            raise UserError(f"{path}: {image} has category {category}, which is not among its {len(taxa)} categories")
        taxa[category].used = True
        yield image, taxa[category]
    if empty := [taxon.name for taxon in taxa.values() if not taxon.used]:
        raise UserError(
            f"{path}: {len(empty)} categories have no image, the first: {empty[0]}. Remove them from the file."
        )


def categories_of(path: Path, files: list[str], image_ids: array, annotated: array, category_ids: array) -> list[int]:
    """The category of each image. UserError when an image has no annotation or several."""
    wanted, given = np.asarray(image_ids), np.asarray(annotated)
    order = np.argsort(given, kind="stable")
    first = np.searchsorted(given, wanted, side="left", sorter=order)
    count = np.searchsorted(given, wanted, side="right", sorter=order) - first
    if (wrong := np.flatnonzero(count != 1)).size:
        image = files[wrong[0]]
        raise UserError(f"{path}: {image} has {count[wrong[0]]} annotations, not one; so have {wrong.size - 1:,} more")
    return np.asarray(category_ids)[order[first]].tolist()


def from_folders(top: Path, root: Path) -> Iterator[tuple[str, Taxon]]:
    """(image path, taxon) of every picture in the folders of `top`."""
    for folder in sorted(path for path in top.iterdir() if path.is_dir()):
        taxon = Taxon(folder.name, str(folder))
        files, others = pictures_among(folder, files_in(folder))
        if not files:
            raise UserError(f"{folder} has no image; remove the folder or fill it. {passed_over(others)}".rstrip(" ."))
        yield from ((f"{folder.relative_to(root).as_posix()}/{file}", taxon) for file in files)
