"""A data set as this track sees it: pictures with class numbers, and which training pictures choose the head."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data_builders.shared.errors import UserError
from data_builders.shared.seeding import address_hash
from data_builders.sources import LabelledImage, Level, Source

VALIDATION_SHARE = 0.2  # of each class's training pictures, where the data set has no validation split of its own


@dataclass(frozen=True)
class Labelled:
    """Training pictures come first where `validation` says which of them choose the head."""

    name: str
    classes: tuple[str, ...]
    train: tuple[Path, ...]
    train_labels: np.ndarray
    validation: np.ndarray  # bool, of the training pictures
    test: tuple[Path, ...]
    test_names: tuple[str, ...]  # as in the source, for files people read
    test_labels: np.ndarray
    notes: tuple[str, ...] = ()
    above: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # coarser level -> its label of each class
    level: str = ""  # of the names; several sets as one have none


def labelled(source: Source, level: str | None = None, seed: int = 0, images_per_class: int | None = None) -> Labelled:
    """The data set at one level of names. UserError: several labels a picture, no training or no test pictures.

    `images_per_class`: at most so many training and so many test pictures of each class, drawn by address.
    """
    chosen = source.level(level)
    if source.multi_label and chosen is source.finest:
        raise UserError(f"{source.name}'s pictures bear several labels each; these measures know one. Add --level")
    splits = ("trainval", "test")
    train, test = (fewer(source.split(one), source, chosen, seed, images_per_class) for one in splits)
    classes = sorted({source.label(row, chosen) for row in (*train, *test)})
    if len(classes) < 2:
        raise UserError(f"{source.name} at {source.root} has the one class {classes[0]!r} at level {chosen.name}")
    number = {label: place for place, label in enumerate(classes)}
    labels = np.array([number[source.label(row, chosen)] for row in train])
    official = np.array([row.split == "val" for row in train])
    if official.any() and not official.all():
        validation, how = official, f"heads are chosen on the official validation split ({official.sum():,} pictures)"
    else:
        validation = draw_validation([row.image for row in train], labels, seed)
        how = f"heads are chosen on {validation.sum():,} of the {len(labels):,} training pictures, drawn by class"
    unseen = sorted(set(range(len(classes))) - set(labels.tolist()))
    notes = [how]
    if images_per_class is not None:
        notes.append(f"at most {images_per_class} training and {images_per_class} test pictures of each class")
    if unseen:
        notes.append(f"{len(unseen)} of {len(classes)} classes have no training picture; their test pictures are wrong")
    return Labelled(
        name=source.name if chosen is source.finest else f"{source.name}_{chosen.name}",
        classes=tuple(classes),
        train=tuple(source.root / row.image for row in train),
        train_labels=labels,
        validation=validation,
        test=tuple(source.root / row.image for row in test),
        test_names=tuple(row.image for row in test),
        test_labels=np.array([number[source.label(row, chosen)] for row in test]),
        notes=tuple(notes),
        above=above(source, chosen, classes, (*train, *test)),
        level=chosen.name,
    )


def above(
    source: Source, level: Level, classes: Sequence[str], rows: Sequence[LabelledImage]
) -> dict[str, tuple[str, ...]]:
    """Coarser level -> the label there of each class of `level`."""
    one_of = {source.label(row, level): row for row in rows}
    coarser = source.levels[: source.levels.index(level)]
    return {one.name: tuple(source.label(one_of[name], one) for name in classes) for one in coarser}


def fewer(
    rows: list[LabelledImage], source: Source, level: Level, seed: int, images_per_class: int | None
) -> list[LabelledImage]:
    """At most so many of each class, in their order; all for None."""
    if images_per_class is None:
        return rows
    members: dict[str, list[LabelledImage]] = defaultdict(list)
    for row in rows:
        members[source.label(row, level)].append(row)
    kept: set[str] = set()
    for found in members.values():
        found.sort(key=lambda row: address_hash(seed, "images per class", row.image))
        kept.update(row.image for row in found[:images_per_class])
    return [row for row in rows if row.image in kept]


def draw_validation(images: Sequence[str], labels: Sequence[int], seed: int) -> np.ndarray:
    """Which pictures choose: a fifth of each class, at least one where there are two. Each draw has its address."""
    members: dict[int, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        members[int(label)].append(place)
    chosen = np.zeros(len(images), bool)
    for places in members.values():
        count = max(1, round(VALIDATION_SHARE * len(places))) if len(places) > 1 else 0
        order = sorted(places, key=lambda place: address_hash(seed, "probe validation", images[place]))
        chosen[order[:count]] = True
    return chosen


def union(sets: Sequence[Labelled]) -> Labelled:
    """All data sets as one: one head over the union of their classes (FG-BMK's "multiple"). Names are kept apart."""
    offsets = np.cumsum([0, *(len(one.classes) for one in sets)])
    return Labelled(
        name="+".join(one.name for one in sets),
        classes=tuple(f"{one.name}: {label}" for one in sets for label in one.classes),
        train=tuple(path for one in sets for path in one.train),
        train_labels=np.concatenate([one.train_labels + start for one, start in zip(sets, offsets, strict=False)]),
        validation=np.concatenate([one.validation for one in sets]),
        test=tuple(path for one in sets for path in one.test),
        test_names=tuple(f"{one.name}/{name}" for one in sets for name in one.test_names),
        test_labels=np.concatenate([one.test_labels + start for one, start in zip(sets, offsets, strict=False)]),
    )
