"""Chance has an address: every random draw is a function of where it is used, never of how many draws came before.

Adding a data set, switching a stage off or resuming in the middle therefore leaves every other draw as it was.
"""

import hashlib
from collections.abc import Iterator

import numpy as np


def address_hash(*address: object) -> int:
    """A 128-bit integer that depends on the address's parts and their order only (stable across machines)."""
    text = "\x1f".join(str(part) for part in address)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def draw(*address: object) -> np.random.Generator:
    """A fresh generator for one address, for example `draw(seed, "align", "fg_short_answer", pass_index, row_id)`."""
    return np.random.Generator(np.random.Philox(key=address_hash(*address)))


class Draws:
    """Whole numbers drawn at one address, for builders that draw a handful at each of a million addresses: some ten
    times as cheap as a generator. The same address gives the same numbers in the same order."""

    __slots__ = ("_bits", "_block", "_pool", "_seed")

    def __init__(self, *address: object) -> None:
        self._seed = self._pool = address_hash(*address)
        self._bits, self._block = 128, 0  # of the pool, not used yet; blocks that came after the first

    def below(self, count: int) -> int:
        """One of 0, 1, ..., count - 1. Forty bits stay unused, so no number is likelier than another by 1e-12."""
        size = count.bit_length()
        if self._bits < size + 40:
            self._block += 1
            self._pool, self._bits = address_hash(self._seed, self._block), 128
        self._bits -= size
        self._pool, number = divmod(self._pool, count)
        return number

    def order(self, count: int) -> Iterator[int]:
        """0, 1, ..., count - 1 in a drawn order, each drawn when it is asked for."""
        moved: dict[int, int] = {}
        for place in range(count):
            other = place + self.below(count - place)
            yield moved.get(other, other)
            moved[other] = moved.get(place, place)
