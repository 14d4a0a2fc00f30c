"""Categories that no training set shows, names or tells of: drawn by address, or listed in a file.

The draw depends on the data set, the level and the fraction alone, so every builder that is given the same fraction
holds out the same categories, and a larger fraction keeps those of a smaller one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from ..shared.errors import UserError
from ..shared.seeding import address_hash
from ..shared.text_files import open_text
from .base import HeldOut, LabelledImage, Level, Source, same_name

SHOWN = 5


@dataclass(frozen=True)
class HoldOut:
    """`categories` is the fraction of a level's labels to draw, or a file of names, one a line, of any level."""

    categories: float | str
    level: str | None = None  # of the draw; None: the finest


def hold_out(sources: tuple[Source, ...], wanted: HoldOut) -> tuple[Source, ...]:
    """The data sets without the pictures and labels of what is held out (`Source.held_out` says which).

    A name that is held out in one of them is in all; with a coarse label go all finer ones below it, and a coarse
    label of which no picture is left goes, too. UserError for names that are nowhere, and when a data set would keep
    fewer than two of its finest labels.
    """
    names = _drawn(sources, wanted) if isinstance(wanted.categories, float) else _listed(sources, wanted.categories)
    return without_names(sources, names)


def without_names(sources: tuple[Source, ...], names: Iterable[str]) -> tuple[Source, ...]:
    """The data sets without these labels, of any level."""
    same = set(map(same_name, names))
    return tuple(_without(source, same) for source in sources)


def _drawn(sources: tuple[Source, ...], wanted: HoldOut) -> set[str]:
    names: set[str] = set()
    for source in sources:
        level = source.level(wanted.level)
        labels = source.labels(level)
        ranked = sorted(labels, key=lambda label: address_hash("held out", source.name, level.name, same_name(label)))
        names |= set(map(same_name, ranked[: max(1, round(wanted.categories * len(labels)))]))
    return names


def _listed(sources: tuple[Source, ...], file: str) -> set[str]:
    path = Path(file)
    if not path.is_file():
        raise UserError(f"categories.hold_out: no file {path}; write a fraction (0.25), or a file of names, one a line")
    with open_text(path) as lines:
        listed = [name for name in map(str.strip, lines) if name]
    known = {same_name(label): label for source in sources for level in source.levels for label in source.labels(level)}
    missing = [name for name in listed if same_name(name) not in known]
    if missing or not listed:
        what = f"{len(missing)} names are no category here" if missing else "no names"
        told = "; ".join(f"{name!r}{_near(name, known)}" for name in missing[:SHOWN])
        raise UserError(f"{path}: {what}{': ' if told else ''}{told}. Write names as {', '.join(_some(known))}")
    return set(map(same_name, listed))


def _near(name: str, known: dict[str, str]) -> str:
    found = get_close_matches(same_name(name), known, n=1)
    return f" (is it {known[found[0]]!r}?)" if found else ""


def _some(known: dict[str, str]) -> list[str]:
    return [repr(label) for label in list(known.values())[:3]]


def _without(source: Source, names: set[str]) -> Source:
    finest = source.finest
    kept, back = [], []
    for row in source.images:
        (back if names & set(map(same_name, _labels_of(row))) else kept).append(row)
    levels = tuple(replace(level, outside=_others(level.outside, names)) for level in source.levels)
    narrowed = replace(source, images=tuple(kept), levels=levels)
    if len(narrowed.labels(levels[-1])) < 2 or not kept:
        raise UserError(
            f"categories.hold_out leaves {len(narrowed.labels(levels[-1])) if kept else 0} of the "
            f"{len(source.labels(finest))} categories of {source.name}; hold out fewer"
        )
    both = zip(source.levels, levels, strict=True)
    gone = {level.name: _gone(source, level, narrowed, after) for level, after in both}
    lost = {same_name(label) for label in gone[finest.name]}
    aliases = {label: other for label, other in source.aliases.items() if same_name(label) not in lost}
    also = [name for label, other in source.aliases.items() if same_name(label) in lost for name in other]
    return replace(narrowed, aliases=aliases, held_out=HeldOut(gone, tuple(also), tuple(back)))


def _labels_of(row: LabelledImage) -> Iterable[str]:
    return (*row.parents.values(), *(row.labels or (row.category,)))


def _others(labels: tuple[str, ...], names: set[str]) -> tuple[str, ...]:
    return tuple(label for label in labels if same_name(label) not in names)


def _gone(source: Source, level: Level, narrowed: Source, after: Level) -> tuple[str, ...]:
    left = set(map(same_name, narrowed.labels(after)))
    return tuple(label for label in source.labels(level) if same_name(label) not in left)
