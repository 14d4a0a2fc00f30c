"""Which rows of earlier data a stage replays, and the training set of them. Every draw and every tie has an address."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data_builders.records import Manifest, images_of, write_training_set
from data_builders.shared.code_identity import CodeIdentity
from data_builders.shared.files import write_jsonl
from data_builders.shared.seeding import draw
from fgtrain.errors import UserError
from fgtrain.recipe import REPLAY, ReplayOptions
from fgtrain.recipe.replay import RANDOM

from .mixture import StageOrder
from .rows import Rows

LEDGER = "ledger.jsonl"  # beside a set of replayed rows: every row that was looked at, and what came of it
Place = tuple[str, int]  # (data set, index of the row)


def refuse_too_few(name: str, count: int, usable: Mapping[str, Sequence[int]]) -> None:
    """UserError where the set `name` is to have more rows than there are to choose from."""
    if (there := sum(map(len, usable.values()))) < count:
        raise UserError(
            f"data.{name}.rows is {count:,}, but there are {there:,} usable rows in {', '.join(usable)}. "
            f"Write data.{name}.rows={there}, or name more sets in options.of"
        )


def candidates(seed: int, name: str, usable: Mapping[str, Sequence[int]], among: int | None = None) -> list[Place]:
    """The rows that are looked at, by data set and index: all, or `among` of them drawn from all sets together."""
    everything = [(data_set, int(index)) for data_set, rows in usable.items() for index in rows]
    if among is None or among >= len(everything):
        return everything
    return _drawn(seed, name, "among", everything, among)


def parts_of(rows: Mapping[str, Rows], places: Sequence[Place]) -> dict[Place, str]:
    """`<data set>/<first folder of the row's picture>` of each row; of one without picture `<data set>/`."""
    found = {}
    for data_set, index in places:
        images = images_of(rows[data_set][index])
        found[data_set, index] = f"{data_set}/{Path(images[0]).parts[0] if images else ''}"
    return found


def as_order(places: Sequence[Place], names: Sequence[str]) -> StageOrder:
    """The rows as a stage's samples, in this order."""
    which = {name: number for number, name in enumerate(names)}
    return StageOrder(
        tuple(names),
        np.array([which[name] for name, _ in places], np.int16),
        np.zeros(len(places), np.int32),
        np.array([index for _, index in places], np.int32),
    )


def choose(
    seed: int,
    name: str,
    by: str,
    count: int,
    places: Sequence[Place],
    rises: Mapping[Place, float] | None = None,
    parts: Mapping[Place, str] | None = None,
) -> list[Place]:
    """`count` of the rows, in their order. `rises`: by how much each one's loss has risen (nats a token); `parts`: what
    shares the budget with others, the rows' data sets where it is not given.

    Of forgotten rows a part gets as many as its share of all rises (a row whose loss fell takes none away), so that
    each of its rows counts with the part's mean; equally forgotten ones get what random rows would get on average.
    `forgotten_rows`: within it the rows that rose most, ties by order; `forgotten_sets`: drawn. UserError where there
    are too few.
    """
    if len(places) < count:
        raise UserError(f"data.{name}.rows is {count:,}, but there are {len(places):,} rows to choose from")
    if by == RANDOM:
        return _drawn(seed, name, RANDOM, places, count)
    of: dict[str, list[Place]] = {}
    for place in places:
        of.setdefault(place[0] if parts is None else parts[place], []).append(place)
    whole = {part: sum(max(0.0, rises[one]) for one in mine) for part, mine in of.items()}
    shares = divided(count, whole, {part: len(mine) for part, mine in of.items()})
    if sum(shares.values()) < count:
        raise UserError(
            f"data.{name}: {sum(shares.values()):,} rows lie in sets that were forgotten between these checkpoints, "
            f"and rows is {count:,}. Write fewer rows, other checkpoints, or by: {RANDOM}"
        )
    chosen: set[Place] = set()
    for part, mine in of.items():
        if by == "forgotten_rows":  # sorting keeps the order of equal ones
            chosen.update(sorted(mine, key=lambda one: -rises[one])[: shares[part]])
        else:
            chosen.update(_drawn(seed, name, part, mine, shares[part]))
    return [place for place in places if place in chosen]


def divided(count: int, weights: Mapping[str, float], rooms: Mapping[str, int]) -> dict[str, int]:
    """`count` in proportion to the weights, no part larger than its room; less where those with weight have no more.

    What does not divide goes to the largest remainders, the first of equal ones.
    """
    parts, left = dict.fromkeys(weights, 0), count
    still = [name for name, weight in weights.items() if weight > 0]
    while still and left:
        total = sum(weights[name] for name in still)
        exact = {name: left * weights[name] / total for name in still}
        if full := [name for name in still if exact[name] >= rooms[name]]:
            for name in full:
                parts[name] = rooms[name]
                left -= rooms[name]
            still = [name for name in still if name not in full]
            continue
        parts |= {name: int(value) for name, value in exact.items()}
        rest = left - sum(parts[name] for name in still)
        for name in sorted(still, key=lambda name: parts[name] - exact[name])[:rest]:
            parts[name] += 1
        break
    return parts


def write_replayed(
    folder: Path,
    name: str,
    chosen: Sequence[Place],
    rows: Mapping[str, Rows],
    texts: Mapping[Place, dict],
    ledger: Sequence[dict],
    options: ReplayOptions,
    code: CodeIdentity,
) -> Manifest:
    """Write the rows as a training set of their own, whose pictures stay where they are. A row is called
    `<data set>/<its id>`. `texts`: rows that take the place of those."""
    root = Path(os.path.commonpath([rows[data_set].image_root for data_set in options.of]))
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / LEDGER, ledger)
    of = [rows[data_set].manifest for data_set in options.of]
    return write_training_set(
        folder,
        (_moved(place[0], texts.get(place) or _row(rows, place), rows[place[0]].image_root, root) for place in chosen),
        name=name,
        builder=REPLAY,
        code=code,
        image_root=root,
        sources=list(dict.fromkeys(source for one in of for source in one.sources)),
        splits=list(dict.fromkeys(split for one in of for split in one.splits)),
        options=options.model_dump(mode="json", exclude_none=True),
    )


def _row(rows: Mapping[str, Rows], place: Place) -> dict:
    return rows[place[0]][place[1]]


def _moved(data_set: str, row: dict, its_root: Path, root: Path) -> dict:
    moved = row | {"id": f"{data_set}/{row['id']}"}
    if images := [os.path.relpath(its_root / image, root) for image in images_of(row)]:
        moved["image"] = images if isinstance(row["image"], list) else images[0]
    return moved


def _drawn(seed: int, name: str, what: str, places: Sequence[Place], count: int) -> list[Place]:
    """So many of the places, in the order that they have."""
    chosen = draw(seed, REPLAY, name, what).permutation(len(places))[:count]
    return [places[number] for number in sorted(chosen.tolist())]
