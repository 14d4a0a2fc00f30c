"""Chance has an address: every random draw is a function of where it is used, never of how many draws came before.

Adding a data set, switching a stage off or resuming in the middle therefore leaves every other draw as it was.
"""

import hashlib

import numpy as np


def address_hash(*address: object) -> int:
    """A 128-bit integer that depends on the address's parts and their order only (stable across machines)."""
    text = "\x1f".join(str(part) for part in address)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def draw(*address: object) -> np.random.Generator:
    """A fresh generator for one address, for example `draw(seed, "align", "fg_short_answer", pass_index, row_id)`."""
    return np.random.Generator(np.random.Philox(key=address_hash(*address)))
