"""Which photos are learnt from and which are asked about, as found, as before, or drawn; equal ones stand together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from data_builders.leakage.build_check import faults_message
from data_builders.leakage.comparing import look_at_images
from data_builders.leakage.identical import identical
from data_builders.leakage.image_files import Files
from data_builders.leakage.outcome import Settings
from data_builders.sources import LabelledImage, Level, Source
from data_builders.sources.test_split import with_test_images
from fgtrain.errors import UserError

from .photos import Found, Photo

TEST_FRACTION = 0.2  # of each class; one photo at least
SHOWN = 5


def with_sides(found: Found) -> Found:
    """The photos, each on a side. UserError for pictures that cannot be read, fewer than two classes, a class that
    cannot be both learnt and asked about, and equal pictures with two names or on both sides."""
    if len(found.called) < 2:
        only = next(iter(found.called), "nothing")
        raise UserError(f"{found.root}: all photos show {only!r}. Two classes at least are needed to tell them apart")
    equal = equal_pictures(found)
    refuse_two_names(found, equal)
    photos = found.photos if found.sided else tuple(drawn(found, equal))
    result = replace(found, photos=photos)
    refuse_equal_on_both_sides(result, equal)
    refuse_one_sided(result)
    return result


def equal_pictures(found: Found) -> list[list[Photo]]:
    """Groups of photos of equal bytes. UserError lists what cannot be read."""
    paths = [str(found.root / photo.file) for photo in found.photos]
    if faults := look_at_images(paths, Settings(looks=False)).faults:
        raise UserError(faults_message(faults))
    with Files(paths) as known:
        groups = identical(known, np.arange(len(paths)))
    return [[found.photos[index] for index in group] for group in groups]


def refuse_two_names(found: Found, equal: Iterable[list[Photo]]) -> None:
    for group in equal:
        if len({photo.name for photo in group}) > 1:
            pair = " and ".join(f"{photo.file} ({found.called[photo.name]})" for photo in group[:2])
            raise UserError(f"{found.root}: one picture has two names: {pair}. Keep the one with the right name")


def refuse_equal_on_both_sides(found: Found, equal: Iterable[list[Photo]]) -> None:
    """Only where the sides were the user's: drawn ones keep equal pictures together."""
    side = {photo.file: photo.side for photo in found.photos}
    both = [group for group in equal if len({side[photo.file] for photo in group}) > 1]
    if both:
        pairs = "; ".join(" = ".join(photo.file for photo in group[:2]) for group in both[:SHOWN])
        more = f"; and {len(both) - SHOWN} more" if len(both) > SHOWN else ""
        raise UserError(
            f"{found.root}: {len(both)} pictures stand among those to learn from and those to be asked about: "
            f"{pairs}{more}. Remove one of each"
        )


def refuse_one_sided(found: Found) -> None:
    """UserError for classes that have no photo to learn from."""
    learnt = {photo.name for photo in found.photos if photo.side == "train"}
    if absent := [name for name in found.called if name not in learnt]:
        raise UserError(
            f"{found.root}: {named(absent)} {'has' if len(absent) == 1 else 'have'} photos to be asked about, and none "
            f"to learn from. Add some, or remove {'it' if len(absent) == 1 else 'them'}"
        )


def named(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more classes" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more


def contents_of(found: Found) -> dict[str, str]:
    """File -> what tells its bytes from others': their number, and a digest of the last ones."""
    names = [photo.file for photo in found.photos]
    with Files(str(found.root / name) for name in names) as files:
        ends = files.tails(np.flatnonzero(files.sizes > 0))
    told = zip(np.flatnonzero(files.sizes > 0), ends, strict=True)
    return dict.fromkeys(names, "") | {names[at]: f"{files.sizes[at]} {end.tobytes().hex()}" for at, end in told}


def drawn(found: Found, equal: list[list[Photo]]) -> Iterator[Photo]:
    """A fifth of each class is to be asked about, one photo at least; photos of one group, and equal ones, together.
    Those that stand on a side already stay there."""
    unit = units(found.photos, equal)
    sides = {photo.file: photo.side for photo in found.photos if photo.side}
    of_class: dict[str, set[str]] = defaultdict(set)
    for photo in found.photos:
        of_class[photo.name].add(unit[photo.file])
    if few := [name for name, some in of_class.items() if len(some) < 2]:
        photos = Counter(photo.name for photo in found.photos)
        alone = all(photos[name] == 1 for name in few)
        why = "one photo only" if alone else "photos of one group (or equal ones) only"
        raise UserError(
            f"{found.root}: {named(few)} {'has' if len(few) == 1 else 'have'} {why}: one is needed to learn from and "
            f"another to ask about. Add some, or take {'it' if len(few) == 1 else 'them'} out of the folder"
        )
    rows = tuple(LabelledImage(photo.file, photo.name, "train") for photo in found.photos)
    source = Source("photos", found.root, rows, (Level("category", "category", "categories"),))
    try:
        split = with_test_images(source, TEST_FRACTION, unit, sides)
    except UserError as error:
        reason = str(error).removeprefix("--test-fraction: ")
        raise UserError(f"{found.root}: no test photos can be drawn: {reason}") from None
    for photo, row in zip(found.photos, split.images, strict=True):
        yield photo if photo.side else replace(photo, side=row.split)


def units(photos: Iterable[Photo], equal: Iterable[list[Photo]]) -> dict[str, str]:
    """File -> what is drawn as one with it: its group, or the first of its equals."""
    unit = {photo.file: f"group {photo.group}" if photo.group else photo.file for photo in photos}
    for group in equal:
        together = {unit[photo.file] for photo in group}
        first = min(together)
        unit = {file: first if one in together else one for file, one in unit.items()}
    return unit
