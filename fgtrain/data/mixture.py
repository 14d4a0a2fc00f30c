"""The order in which a stage sees its samples: exact passes over every data set, mixed by addressed draws.

Every sample has a key in [0, 1): sample j of a data set's n lies in the j-th of n equal intervals, at a drawn place.
The order is by key. So each data set is spread evenly over the stage, pass after pass, and none knows of the others:
adding or removing one leaves the order of the rest as it was.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from data_builders.shared.seeding import draw


@dataclass(frozen=True, eq=False)
class StageOrder:
    """All samples of a stage, in order. Ten bytes a sample."""

    names: tuple[str, ...]  # data sets
    data_set_S: np.ndarray  # int16, index into names
    pass_S: np.ndarray  # int32, from 0
    row_S: np.ndarray  # int32

    def __len__(self) -> int:
        return len(self.row_S)

    def __getitem__(self, place: int) -> tuple[str, int, int]:
        """(data set, pass, row index)."""
        return self.names[self.data_set_S[place]], int(self.pass_S[place]), int(self.row_S[place])

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        return (self[place] for place in range(len(self)))


def stage_order(seed: int, stage: str, samples: Mapping[str, int], rows: Mapping[str, int]) -> StageOrder:
    """The stage's order. `samples`: data set -> how many (see `stage_samples`); `rows`: data set -> its rows.

    A pass holds every row once, in an order of its own; a partial pass holds a drawn part of the rows.
    """
    names = tuple(sorted(samples))
    parts = [_samples(seed, stage, name, samples[name], rows[name]) for name in names]
    counts = [len(keys) for keys, _, _ in parts]
    keys_S = np.concatenate([np.empty(0), *(keys for keys, _, _ in parts)])
    # Stable: equal keys of different data sets keep the order of the data sets' names.
    order_S = np.argsort(keys_S, kind="stable")
    return StageOrder(
        names,
        np.repeat(np.arange(len(names), dtype=np.int16), counts)[order_S],
        np.concatenate([np.empty(0, np.int32), *(passes for _, passes, _ in parts)])[order_S],
        np.concatenate([np.empty(0, np.int32), *(chosen for _, _, chosen in parts)])[order_S],
    )


def _samples(seed: int, stage: str, name: str, count: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One data set's (keys, rising; pass; row) of each of `count` samples."""
    whole, rest = divmod(count, rows) if count else (0, 0)
    row_S, pass_S = np.empty(count, np.int32), np.empty(count, np.int32)
    for number in range(whole + bool(rest)):
        start = number * rows
        shuffled = draw(seed, stage, "order", name, number).permutation(rows)
        row_S[start : start + rows] = shuffled[: rows if number < whole else rest]
        pass_S[start : start + rows] = number
    keys_S = (np.arange(count) + draw(seed, stage, "keys", name).random(count)) / max(count, 1)
    return keys_S, pass_S, row_S
