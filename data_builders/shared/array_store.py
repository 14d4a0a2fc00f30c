"""Arrays of one shape on disk by key: a file of float32 rows that only grows, and an index that only grows.

A row counts once its line is in the index, and its bytes are on disk before that. What a killed process left behind the
last whole row is written over by the next. Each line has a checksum of the row and its key, which is compared whenever
the row is read: one that is not what was written is forgotten, with a word, as if it had never been there.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from xxhash import xxh3_64

from .files import atomic_write
from .locks import locked
from .progress import progress
from .terminal import say


class ArrayStore:
    """Rows float32 of one shape. Several processes may read and write at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.data, self.index = self.folder / "rows.f32", self.folder / "index.jsonl"
        self.shape: tuple[int, ...] | None = None  # of a row; None until there is one
        self._row: dict[str, int] = {}
        self._check: dict[str, int] = {}
        self._damaged: set[tuple[str, int]] = set()  # key and row, whatever the index says
        self._read_bytes = 0  # of the index
        self._identity: int | None = None  # the index's inode: it is replaced when it is repaired
        self._map: np.ndarray | None = None
        self.refresh()

    def __contains__(self, key: str) -> bool:
        return key in self._row

    def __len__(self) -> int:
        return len(self._row)

    def refresh(self) -> None:
        """Take in what other processes have written."""
        if not self.index.is_file():
            return
        with open(self.index, "rb") as file:
            identity = os.fstat(file.fileno()).st_ino
            if identity != self._identity:
                self._row, self._check, self._read_bytes, self._map = {}, {}, 0, None
                self._identity = identity
            file.seek(self._read_bytes)
            new = file.read()
        new = new[: new.rfind(b"\n") + 1]  # a line that is being written has no end yet
        self._read_bytes += len(new)
        rows = self._rows_on_disk
        unreadable = 0
        for line in new.splitlines():
            try:
                entry = json.loads(line)
                if "shape" in entry:
                    shape = tuple(int(size) for size in entry["shape"])
                    if entry["check"] != _check_of("shape", repr(shape).encode()):
                        raise ValueError
                    self.shape, rows = shape, self._row_count(shape)
                    continue
                key, row, check = entry["key"], int(entry["row"]), int(entry["check"])
            except (ValueError, KeyError, TypeError):
                unreadable += 1
                continue
            if 0 <= row < rows and (key, row) not in self._damaged:
                self._row[key], self._check[key] = row, check
        if unreadable:
            self._say(f"{unreadable:,} lines of {self.index}")

    def get(self, keys: Sequence[str]) -> np.ndarray:
        """A copy of the rows [n, *shape]. KeyError when one is missing, or is not what was written."""
        rows, places = self._places(keys)
        copy = np.asarray(rows[places])
        self._refuse_damaged(keys, copy)
        return copy

    def mapped(self, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """All rows, memory mapped, and the places of these keys among them. KeyError as for `get`."""
        rows, places = self._places(keys)
        with progress("checking what is kept", "rows", len(places), brief=True) as advance:
            self._refuse_damaged(keys, (rows[place] for place in places), advance)
        return rows, places

    def _places(self, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        places = np.array([self._row[key] for key in keys], np.int64)
        if not len(places):
            return np.empty((0, *(self.shape or ())), np.float32), places
        if places.max() >= (there := self._rows_on_disk):  # cut off since the index was read
            self._forget([key for key, place in zip(keys, places, strict=True) if place >= there])
        if self._map is None or places.max() >= len(self._map):
            self._map = np.memmap(self.data, np.float32, "r", shape=(there, *self.shape))
        return self._map, places

    def _refuse_damaged(self, keys: Sequence[str], rows: Iterable[np.ndarray], advance: Callable = abs) -> None:
        damaged = []
        for key, row in zip(keys, rows, strict=True):
            if _check_of(key, row) != self._check[key]:
                damaged.append(key)
            advance(1)
        if damaged:
            self._forget(damaged)

    def _forget(self, keys: Sequence[str]) -> None:
        """KeyError, once they are taken for missing."""
        keys = list(dict.fromkeys(keys))
        self._say(f"{len(keys):,} rows of {self.data}")
        for key in keys:
            self._damaged.add((key, self._row.pop(key)))
        raise KeyError(*keys)

    def _say(self, what: str) -> None:
        say(f"{what} are not what was written (cut off or altered); made anew", file=sys.stderr)

    def add(self, keys: Sequence[str], rows: np.ndarray) -> None:
        """Append rows [n, *shape] under keys that are not there yet. ValueError when the shape differs."""
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        with locked(self.folder / ".lock"):
            self._repair()
            if self.shape is None:
                self.shape = rows.shape[1:]
                self._append(self.index, self._shape_line().encode())
            if rows.shape[1:] != self.shape:
                raise ValueError(f"{self.folder} holds arrays of shape {self.shape}, not {rows.shape[1:]}")
            chosen = {key: place for place, key in enumerate(keys) if key not in self._row}
            start = self._rows_on_disk
            with open(self.data, "r+b" if self.data.exists() else "w+b") as file:
                file.truncate(start * self._row_bytes)  # what a killed process left of a row
            self._append(self.data, rows[list(chosen.values())].tobytes())
            lines = [
                json.dumps({"key": key, "row": start + n, "check": _check_of(key, rows[place])}) + "\n"
                for n, (key, place) in enumerate(chosen.items())
            ]
            self._append(self.index, "".join(lines).encode())
            self.refresh()

    @property
    def _row_bytes(self) -> int:
        return 4 * int(np.prod(self.shape))

    @property
    def _rows_on_disk(self) -> int:
        return self._row_count(self.shape)

    def _row_count(self, shape: tuple[int, ...] | None) -> int:
        if shape is None or not self.data.is_file():
            return 0
        return self.data.stat().st_size // (4 * int(np.prod(shape)))

    def _repair(self) -> None:
        """Write the index anew when it has a torn line or names rows that are not in the data file."""
        self.refresh()
        if not self.index.is_file():
            return
        whole = self.index.read_bytes()
        lines = whole.splitlines()
        if whole.endswith(b"\n") and len(lines) == len(self._row) + 1:
            return
        with atomic_write(self.index) as file:
            if self.shape is not None:
                file.write(self._shape_line())
            for key, row in self._row.items():
                file.write(json.dumps({"key": key, "row": row, "check": self._check[key]}) + "\n")
        self.refresh()

    def _shape_line(self) -> str:
        return json.dumps({"shape": list(self.shape), "check": _check_of("shape", repr(self.shape).encode())}) + "\n"

    @staticmethod
    def _append(path: Path, content: bytes) -> None:
        with open(path, "ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _check_of(key: str, row: np.ndarray | bytes) -> int:
    digest = xxh3_64(key.encode())
    digest.update(row)
    return digest.intdigest()
