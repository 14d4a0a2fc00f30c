"""Arrays of one shape on disk by key: a file of float32 rows that only grows, and an index that only grows.

A row counts once its line is in the index, and its bytes are on disk before that. What a killed process left behind the
last whole row is written over by the next.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .files import atomic_write
from .locks import locked


class ArrayStore:
    """Rows float32 of one shape. Several processes may read and write at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.data, self.index = self.folder / "rows.f32", self.folder / "index.jsonl"
        self.shape: tuple[int, ...] | None = None  # of a row; None until there is one
        self._row: dict[str, int] = {}
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
                self._row, self._read_bytes, self._map = {}, 0, None
                self._identity = identity
            file.seek(self._read_bytes)
            new = file.read()
        new = new[: new.rfind(b"\n") + 1]  # a line that is being written has no end yet
        self._read_bytes += len(new)
        rows = self._rows_on_disk
        for line in new.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if "shape" in entry:
                self.shape = tuple(entry["shape"])
                rows = self._rows_on_disk
            elif entry["row"] < rows:
                self._row[entry["key"]] = entry["row"]

    def get(self, keys: Sequence[str]) -> np.ndarray:
        """A copy of the rows [n, *shape]. KeyError when one is missing."""
        rows, places = self.mapped(keys)
        return np.asarray(rows[places])

    def mapped(self, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """All rows, memory mapped, and the places of these keys among them. KeyError when one is missing."""
        places = np.array([self._row[key] for key in keys], np.int64)
        if not len(places):
            return np.empty((0, *(self.shape or ())), np.float32), places
        if self._map is None or places.max() >= len(self._map):
            self._map = np.memmap(self.data, np.float32, "r", shape=(self._rows_on_disk, *self.shape))
        return self._map, places

    def add(self, keys: Sequence[str], rows: np.ndarray) -> None:
        """Append rows [n, *shape] under keys that are not there yet. ValueError when the shape differs."""
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        with locked(self.folder / ".lock"):
            self._repair()
            if self.shape is None:
                self.shape = rows.shape[1:]
                self._append(self.index, (json.dumps({"shape": list(self.shape)}) + "\n").encode())
            if rows.shape[1:] != self.shape:
                raise ValueError(f"{self.folder} holds arrays of shape {self.shape}, not {rows.shape[1:]}")
            chosen = {key: place for place, key in enumerate(keys) if key not in self._row}
            start = self._rows_on_disk
            with open(self.data, "r+b" if self.data.exists() else "w+b") as file:
                file.truncate(start * self._row_bytes)  # what a killed process left of a row
            self._append(self.data, rows[list(chosen.values())].tobytes())
            lines = [json.dumps({"key": key, "row": start + n}) + "\n" for n, key in enumerate(chosen)]
            self._append(self.index, "".join(lines).encode())
            self.refresh()

    @property
    def _row_bytes(self) -> int:
        return 4 * int(np.prod(self.shape))

    @property
    def _rows_on_disk(self) -> int:
        if self.shape is None or not self.data.is_file():
            return 0
        return self.data.stat().st_size // self._row_bytes

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
                file.write(json.dumps({"shape": list(self.shape)}) + "\n")
            for key, row in self._row.items():
                file.write(json.dumps({"key": key, "row": row}) + "\n")
        self.refresh()

    @staticmethod
    def _append(path: Path, content: bytes) -> None:
        with open(path, "ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
