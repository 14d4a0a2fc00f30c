"""Test images for a data set that has none: drawn by address, and photos of one group (one animal, one burst) together.

The draw depends on the photos and the fraction alone, so every builder that is given the same fraction makes the same
split, and a larger fraction keeps the test images of a smaller one.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..shared.csv_tables import csv_rows
from ..shared.errors import UserError
from ..shared.seeding import address_hash
from .base import LabelledImage, Source


def with_test_images(
    source: Source, fraction: float, groups: Mapping[str, str] | None = None, sides: Mapping[str, str] | None = None
) -> Source:
    """The data set with about `fraction` of each category's training images as test images.

    A category of several photos has one at least, and keeps one at least. `groups`: image -> its group. `sides`: image
    -> train or test, of those that stay where an earlier draw has put them, each with its group. UserError when the
    data set has test images of its own, or a category would be left without training images.
    """
    if any(row.split == "test" for row in source.images):
        raise UserError(f"--test-fraction: {source.name} at {source.root} has test images of its own; leave it out")
    units = groups or {}
    by_category: dict[str, dict[str, list[LabelledImage]]] = {}
    for row in source.images:
        if row.split == "train":
            unit = units.get(row.image, row.image)
            by_category.setdefault(row.category, {}).setdefault(unit, []).append(row)
    decided = {units.get(image, image): side for image, side in (sides or {}).items()}
    chosen = {unit for unit, side in decided.items() if side == "test"}
    for of_category in by_category.values():
        wanted = max(1, round(fraction * sum(map(len, of_category.values()))))
        drawn = sorted(of_category.keys() - decided.keys(), key=lambda unit: address_hash("test image", unit))
        taken = sum(len(rows) for unit, rows in of_category.items() if decided.get(unit) == "test")
        if all(decided.get(unit) != "train" for unit in of_category):
            drawn = drawn[:-1]  # the last one stays for training
        for unit in drawn:
            if taken >= wanted:
                break
            chosen.add(unit)
            taken += len(of_category[unit])
    for category, of_category in by_category.items():
        if chosen.issuperset(of_category):
            raise UserError(
                f"--test-fraction: all photos of {category!r} belong to groups that are tested; a group of it must be "
                f"left for training"
            )
    images = tuple(
        replace(row, split="test") if row.split == "train" and units.get(row.image, row.image) in chosen else row
        for row in source.images
    )
    return replace(source, images=images)


def read_groups(path: Path, source: Source) -> dict[str, str]:
    """Image -> group, from a table with the columns file and group. UserError for a photo that is not there, or twice,
    and for photos without a line."""
    images, found = {row.image for row in source.images}, {}
    for number, row in csv_rows(path, ("file", "group")):
        image = row["file"].replace("\\", "/").removeprefix("./")
        if image not in images or image in found:
            why = "there for the second time" if image in found else f"no photo of {source.root}"
            raise UserError(f"{path}, line {number}: {row['file']!r} is {why}")
        found[image] = row["group"] or image
    if missing := images - found.keys():
        raise UserError(f"{path} has no line for {len(missing)} photos, the first: {min(missing)!r}")
    return found
