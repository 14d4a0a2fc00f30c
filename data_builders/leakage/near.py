"""Near-identical pictures by multi-index hashing: never all pairs.

The lowest 128 bits of the hashes are cut into 8 bands of 16. Pairs that agree in a band but for at most one bit are
looked at; all pairs that differ in at most 15 of the 128 bits are among them (were two bits different in every band, 16
would be), and of random pairs one in 500 is. Equal looks are grouped first, so that ten thousand copies of one
placeholder count as one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .picture_hashes import LOOK, same_colours

BANDS, BAND_BITS = 8, 16
AT_ONCE = 1 << 21  # pairs
QUERIES = 1 << 12
FLIPS = np.array([0, *(1 << bit for bit in range(BAND_BITS))], np.uint16)


@dataclass(frozen=True)
class Pairs:
    """Pairs of near-identical pictures: `left[i]` and `right[i]` (mirrored?) differ in `bits[i]` bits."""

    left: np.ndarray
    right: np.ndarray
    bits: np.ndarray
    mirrored: np.ndarray

    def __len__(self) -> int:
        return len(self.left)


class Groups:
    """Equal looks as one: `looks` are the different ones, `members(i)` the pictures that have look i."""

    def __init__(self, looks: np.ndarray, use: np.ndarray):
        indices = np.flatnonzero(use)
        raw = np.ascontiguousarray(looks[indices]).view(f"V{LOOK.itemsize}")
        first: dict[bytes, int] = {}
        number = np.array([first.setdefault(one.tobytes(), len(first)) for one in raw], int)
        order = np.argsort(number, kind="stable")
        self._members = np.split(indices[order], np.flatnonzero(np.diff(number[order])) + 1) if len(indices) else []
        self.looks = looks[[members[0] for members in self._members]] if self._members else looks[:0]

    def members(self, group: int) -> np.ndarray:
        return self._members[group]


def near(left: np.ndarray, right: np.ndarray, most_bits: int, mirrored: bool = False) -> Iterator[tuple]:
    """(left picture, nearest right picture, bits, is it mirrored, further right pictures) for each left picture that
    has one, flat ones left out. `left` and `right` are LOOKs; the work is about the sum of their lengths."""
    one, other = Groups(left, left["flat"] == 0), Groups(right, right["flat"] == 0)
    found = join(one.looks, other.looks, most_bits)
    if mirrored:
        found = both(found, join(flipped(one.looks), other.looks, most_bits, mirrored=True))
    if not len(found):
        return
    order = np.lexsort((found.right, found.mirrored, found.bits, found.left))
    starts = np.flatnonzero(np.diff(found.left[order], prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        nearest = order[start]
        more = sum(len(other.members(group)) for group in set(found.right[order[start:end]].tolist())) - 1
        for picture in one.members(found.left[nearest]):
            yield (
                int(picture),
                int(other.members(found.right[nearest])[0]),
                int(found.bits[nearest]),
                bool(found.mirrored[nearest]),
                more,
            )


def both(one: Pairs, other: Pairs) -> Pairs:
    return Pairs(*(np.concatenate([getattr(one, name), getattr(other, name)]) for name in Pairs.__dataclass_fields__))


def flipped(looks: np.ndarray) -> np.ndarray:
    """The looks of the mirrored pictures."""
    mirror = looks.copy()
    mirror["hash"], mirror["mirrored"] = looks["mirrored"], looks["hash"]
    mirror["colours"] = looks["colours"][:, :, ::-1]
    return mirror


def join(left: np.ndarray, right: np.ndarray, most_bits: int, mirrored: bool = False) -> Pairs:
    """All pairs of looks within `most_bits` of each other and of the same colours that the bands find."""
    found = []
    if len(left) and len(right):
        words = [np.ascontiguousarray(one["hash"]).view(np.uint64) for one in (left, right)]
        for i, j in candidates(left["hash"], right["hash"]):
            bits = np.bitwise_count(words[0][i] ^ words[1][j]).sum(1)
            close = bits <= most_bits
            i, j, bits = i[close], j[close], bits[close]
            same = same_colours(left["colours"][i], right["colours"][j], bits) if len(i) else close[:0]
            found.append((i[same], j[same], bits[same]))
    if not found:
        nothing = np.zeros(0, int)
        return Pairs(nothing, nothing, nothing, nothing.astype(bool))
    i, j, bits = (np.concatenate(parts).astype(int) for parts in zip(*found, strict=True))
    _, first = np.unique(i * len(right) + j, return_index=True)  # several bands find a pair
    return Pairs(i[first], j[first], bits[first], np.full(len(first), mirrored))


def bands(hashes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(hashes[:, : BANDS * BAND_BITS // 8]).view(np.uint16).astype(int)


def candidates(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (i, j) that agree in a band but for one bit, at most some millions at a time."""
    if len(left) > len(right):
        yield from ((i, j) for j, i in candidates(right, left))
        return
    left_bands, right_bands = (
        np.ascontiguousarray(one[:, : 2 * BANDS]).view(">u2").astype(int) for one in (left, right)
    )
    for band in range(BANDS):
        order = np.argsort(right_bands[:, band], kind="stable")
        starts = np.searchsorted(right_bands[order, band], np.arange((1 << BAND_BITS) + 1))
        for first in range(0, len(left), QUERIES):
            keys = (left_bands[first : first + QUERIES, band, None] ^ FLIPS.astype(int)).ravel()
            begin, count = starts[keys], starts[keys + 1] - starts[keys]
            used = np.flatnonzero(count)
            ends = np.cumsum(count[used])
            # A bucket may hold very many; cut where the pairs reach the limit.
            cuts = np.searchsorted(ends, np.arange(AT_ONCE, ends[-1] if len(ends) else 0, AT_ONCE))
            for part in np.split(used, np.unique(cuts)):
                lengths = count[part]
                queries = np.repeat(first + part // len(FLIPS), lengths)
                offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
                yield queries, order[np.repeat(begin[part], lengths) + offsets]
