"""What was once found out about image files, kept in the user's cache: several builders look at the same pictures.

`$XDG_CACHE_HOME/fgtrain/pictures`, else `~/.cache/fgtrain/pictures`: a file per folder of images and kind of fact, each
written whole. An entry counts while its file has the same size and modification time, and the code that found it out is
the same. All of it may be deleted at any time; where nothing can be written, nothing is kept.
"""

import os
from collections import defaultdict
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import numpy as np

from ..shared.code_identity import code_of
from ..shared.errors import UserError
from ..shared.files import user_cache, write_bytes
from ..shared.sealed import sealed, unsealed

MAKER = "data_builders.leakage.image_files"  # what finds the facts out
WORTH_KEEPING = 100  # facts: fewer are found out again sooner than the files are written


def cache_folder() -> Path | None:
    """None where there is no home."""
    try:
        return user_cache() / "pictures"
    except UserError:
        return None


def short_digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


class Facts:
    """One kind of fact about each of `paths`: `values[i]` holds it where `known[i]`.

    `stamps` are the files' sizes and modification times (n x 2, integers).
    """

    def __init__(self, kind: str, value: np.dtype | str, paths: list[str], stamps: np.ndarray):
        self.kind, self.paths, self.stamps = kind, paths, stamps
        self.values = np.zeros(len(paths), value)
        self.known = np.zeros(len(paths), bool)
        self._row = np.dtype([("name", "V16"), ("stamp", "<i8", 2), ("value", value)])
        self._folders: dict[str, list[int]] = defaultdict(list)
        self._new: set[str] = set()
        self._found = 0
        for index, path in enumerate(paths):
            self._folders[os.path.dirname(path)].append(index)
        for folder, indices in self._folders.items():
            self._read(folder, indices)

    def put(self, indices: np.ndarray, values: np.ndarray) -> None:
        self.values[indices] = values
        self.known[indices] = True
        self._found += len(indices)
        self._new.update(os.path.dirname(self.paths[index]) for index in indices)

    def save(self) -> None:
        """Write what is new. Never fails: a cache that cannot be written is none."""
        if self._found < WORTH_KEEPING:
            return
        for folder in sorted(self._new):
            indices = [index for index in self._folders[folder] if self.known[index]]
            rows = np.zeros(len(indices), self._row)
            rows["name"] = np.array([self._name(index) for index in indices], "V16")
            rows["stamp"], rows["value"] = self.stamps[indices], self.values[indices]
            kept = self._load(folder)  # again: another builder may have written meanwhile
            ours = {name.tobytes() for name in rows["name"]}
            kept = kept[[name.tobytes() not in ours for name in kept["name"]]]
            stream = BytesIO()
            np.save(stream, np.concatenate([kept, rows]), allow_pickle=False)
            try:
                write_bytes(self._file(folder), sealed(stream.getvalue()))
            except Exception:  # no home, no space, no permission
                return
        self._new.clear()
        self._found = 0

    def _name(self, index: int) -> bytes:
        return short_digest(os.fsencode(os.path.basename(self.paths[index])))

    def _file(self, folder: str) -> Path:
        top = cache_folder()
        if top is None:
            raise OSError("no home folder")
        key = blake2b(os.fsencode(folder), digest_size=16).hexdigest()
        return top / key[:2] / f"{key}.{self.kind}.{code_of(MAKER).hash}.npy"

    def _load(self, folder: str) -> np.ndarray:
        try:
            content = unsealed(self._file(folder).read_bytes())
        except OSError:
            content = None
        if content is None:  # none yet, or damaged: found out anew
            return np.zeros(0, self._row)
        rows = np.load(BytesIO(content), allow_pickle=False)
        return rows if rows.dtype == self._row and rows.ndim == 1 else np.zeros(0, self._row)

    def _read(self, folder: str, indices: list[int]) -> None:
        rows = self._load(folder)
        if not len(rows):
            return
        names = np.ascontiguousarray(rows["name"]).tobytes()
        place = {names[start : start + 16]: start // 16 for start in range(0, len(names), 16)}
        found = np.array([place.get(self._name(index), -1) for index in indices])
        same = (found >= 0) & (rows["stamp"][found] == self.stamps[indices]).all(1)
        known = np.array(indices)[same]
        self.values[known] = rows["value"][found[same]]
        self.known[known] = True
