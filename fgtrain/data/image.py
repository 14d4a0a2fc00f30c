"""Pictures to pixels: opened, augmented, a mosaic's tiles put together, then made what the model's ImageSpec says.

What comes out depends on the picture and on the address alone, never on what was drawn before.
"""

import os
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_builders.mosaic import answer_in_order, compose, open_tile
from data_builders.records import images_of
from data_builders.shared.pictures import ChangedPicture, image_size, open_image
from data_builders.shared.seeding import address_hash, draw
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec

from .autoaugment import autoaugmented

KEPT = {"flip_crop": 0.7}  # augmentation -> least share of a side that it leaves of the picture
_local = threading.local()


@dataclass(frozen=True)
class ImageRef:
    """A picture that lies in a file, or a mosaic of several (`path` is then its first tile's)."""

    path: Path | ChangedPicture
    tiles: tuple[Path, ...] = ()
    grid: tuple[int, int] = (1, 1)
    tile_pixels: int = 0
    order: tuple[int, ...] = ()  # place p in reading order shows tiles[order[p]]
    exact: bool = False  # tiles are made of whole pictures, not of those that the JPEG decoder reduced

    @property
    def files(self) -> tuple[Path, ...]:
        return self.tiles or (self.path,)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, from the file's header alone. UserError when it cannot be read."""
        rows, columns = self.grid
        return (columns * self.tile_pixels, rows * self.tile_pixels) if self.tiles else image_size(self.path)


def render(
    ref: ImageRef, spec: ImageSpec, augment: str = "none", address: Sequence[Any] = (), *, alone: bool = True
) -> np.ndarray:
    """Pixels float32 [rows, ...] as `spec` says; a square is one row. UserError when a file cannot be read.

    `augment`: none, flip_crop, autoaugment or jpeg, drawn at `address`. A mosaic's tiles are augmented one by one, as
    small as they were opened: flipping the whole would change their order, and with it the answer. `alone`: is it the
    only picture of its sample?
    """
    if ref.tiles:
        kept = KEPT.get(augment, 1.0)
        pictures = [open_tile(path, ref.tile_pixels, exact=ref.exact, kept=kept) for path in ref.tiles]
    else:
        pictures = [open_image(ref.path)]
        size = pictures[0].size
    if augment != "none":
        pictures = [_augmented(picture, augment, (*address, tile)) for tile, picture in enumerate(pictures)]
    picture = pictures[0]
    if ref.tiles:
        picture = compose(pictures, ref.grid, ref.tile_pixels, ref.order, exact=ref.exact)
    elif spec.needs_size:  # a crop has another size, but as many image tokens as the picture
        picture = spec.resized(picture, *size)
    return spec.pixels(picture, alone)


def arranged(row: dict, order: Sequence[int], name: str) -> dict:
    """The mosaic row with its tiles in `order`: `mosaic.order` set, the answer that lists the tiles put in that order.

    The answer has the form that `mosaic.answer` names, reading order without it. UserError when images and names do not
    fill the grid, or when no answer of the row lists the tiles' names in the order in which they are stored.
    """
    names, (rows, columns), images = row["mosaic"]["names"], row["mosaic"]["grid"], images_of(row)
    form = row["mosaic"].get("answer", "reading_order")
    if not len(images) == len(names) == rows * columns:
        raise UserError(
            f"{name}: a mosaic of {rows} x {columns} tiles with {len(images)} images and {len(names)} names. Build it "
            f"again"
        )
    stored, wanted = (answer_in_order(names, o, form, (rows, columns)) for o in (range(len(names)), order))
    turns, found = [], False
    for turn in row["conversations"]:
        listed = turn["from"] == "gpt" and turn["value"].strip() == stored
        found |= listed
        turns.append({**turn, "value": wanted} if listed else turn)
    if not found:
        raise UserError(f"{name}: no answer of this mosaic is {stored!r}, its tiles' names in order. Build it again")
    return {**row, "conversations": turns, "mosaic": {**row["mosaic"], "order": [int(place) for place in order]}}


def _augmented(picture: Image.Image, augment: str, address: Sequence[Any]) -> Image.Image:
    """The picture, changed as drawn at `address`; a crop is not resized."""
    if augment == "autoaugment":
        return autoaugmented(picture, draw("augment", augment, *address))
    pipeline = _pipeline(augment)
    # One stream for all changes. A seed would start each of them at the same draw: flips would go with rotations.
    place = ("augment", augment, *address)
    pipeline.set_random_state(draw(*place), random.Random(address_hash(*place)))
    changed = pipeline(image=np.asarray(picture))["image"]
    return Image.fromarray(changed)


def _pipeline(augment: str) -> Any:
    """The thread's own pipeline: a pipeline holds the state of its draws."""
    pipelines = _local.__dict__.setdefault("pipelines", {})
    if augment not in pipelines:
        pipelines[augment] = _build_pipeline(augment)
    return pipelines[augment]


def _build_pipeline(augment: str) -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing it would ask the network for a newer version
    import albumentations as A  # takes a second, and most runs do not augment

    if augment == "flip_crop":
        changes = [A.RandomCropFromBorders(0.15, 0.15, 0.15, 0.15, p=1.0), A.HorizontalFlip(p=0.5)]
    elif augment == "jpeg":
        changes = [A.ImageCompression("jpeg", (75, 100), p=1.0)]  # InternVL's, which does it to each tile
    else:
        raise ValueError(f"unknown augmentation {augment!r}")
    return A.Compose(changes)
