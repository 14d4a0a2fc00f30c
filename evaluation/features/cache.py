"""Features of pictures on disk: each picture runs through an encoder once per weights, settings and content."""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from data_builders.shared.array_store import ArrayStore
from data_builders.shared.errors import UserError
from data_builders.shared.files import sha256_file, write_json
from data_builders.shared.progress import progress

from ..protocols import Featurizer

BATCH = 32  # pictures encoded at once
FLUSH = 256  # pictures written at once: what a killed process loses at most
TRIES = 3


class FeatureTable:
    """Rows [N, K, F] of an ordered list of pictures, memory mapped; indexing copies only what is asked for."""

    def __init__(self, rows: np.ndarray, places: np.ndarray) -> None:
        self._rows, self._places = rows, places
        self.shape = (len(places), *rows.shape[1:])

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, which: object) -> np.ndarray:
        return np.asarray(self._rows[self._places[which]])

    def at(self, which: np.ndarray) -> "FeatureTable":
        """A part of the pictures, without copying features."""
        return FeatureTable(self._rows, self._places[which])

    def vector(self, number: int) -> "VectorTable":
        """One of the K vectors, [N, F]."""
        return VectorTable(self, number)


class VectorTable:
    """One vector a picture of a `FeatureTable`, [N, F]."""

    def __init__(self, table: FeatureTable, number: int) -> None:
        self._table, self._number = table, number
        self.shape = (len(table), table.shape[2])

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, which: object) -> np.ndarray:
        return np.asarray(self._table._rows[self._table._places[which], self._number])

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


class Hashes:
    """Content hashes of picture files, kept while a file's size and date stay the same."""

    def __init__(self, memo: Path) -> None:
        self.memo, self._new = memo, []
        self._known: dict[str, tuple[int, int, str]] = {}
        if memo.is_file():
            for line in memo.read_text(encoding="utf-8", errors="replace").split("\n"):
                try:
                    path, size, changed, sha = json.loads(line)
                except (ValueError, TypeError):  # the last line, or one torn by a killed process
                    continue
                self._known[path] = (size, changed, sha)

    def of(self, image: Path) -> str:
        """sha256 of the file's bytes. UserError when it is not there."""
        try:
            stat = os.stat(image)
        except OSError:
            raise UserError(f"no image {image}") from None
        name = str(image.absolute())
        known = self._known.get(name)
        if known is None or known[:2] != (stat.st_size, stat.st_mtime_ns):
            known = self._known[name] = (stat.st_size, stat.st_mtime_ns, sha256_file(image))
            self._new.append(json.dumps([name, *known]) + "\n")
        return known[2]

    def save(self) -> None:
        if self._new:
            self.memo.parent.mkdir(parents=True, exist_ok=True)
            with open(self.memo, "a", encoding="utf-8") as file:
                file.write("".join(self._new))
            self._new = []


class FeatureCache:
    """One folder for all models; equal pictures under different names are stored once."""

    def __init__(self, folder: Path, featurizer: Featurizer, batch: int = BATCH) -> None:
        self.featurizer, self.batch = featurizer, batch
        about = {"model_hash": featurizer.model_hash, "settings": featurizer.settings}
        name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
        self.folder = Path(folder) / name
        if not (self.folder / "about.json").is_file():
            write_json(self.folder / "about.json", {**about, "name": featurizer.name})
        self.store, self.hashes = ArrayStore(self.folder), Hashes(Path(folder) / "images.jsonl")

    def table(self, images: Sequence[Path], title: str = "features") -> FeatureTable:
        """Features of the pictures in order; those not known yet are computed. UserError: a picture cannot be read."""
        keys = [self.hashes.of(image)[:32] for image in images]
        self.hashes.save()
        for _ in range(TRIES):
            missing = {key: image for key, image in zip(keys, images, strict=True) if key not in self.store}
            if missing:
                self._compute(missing, title)
            with suppress(KeyError):  # some are not what was written, and count as missing from now on
                return FeatureTable(*self.store.mapped(keys))
        raise UserError(f"{self.store.data} does not give back what was written, {TRIES} times. Is its disk in order?")

    def _compute(self, missing: dict[str, Path], title: str) -> None:
        waiting: list[str] = []
        rows: list[np.ndarray] = []
        pairs = list(missing.items())
        with progress(f"{title}, {self.featurizer.name}", "images", len(pairs)) as advance:
            for start in range(0, len(pairs), self.batch):
                part = pairs[start : start + self.batch]
                rows.append(encode(self.featurizer, [image for _, image in part]))
                waiting += [key for key, _ in part]
                if len(waiting) >= FLUSH or start + self.batch >= len(pairs):
                    self.store.add(waiting, np.concatenate(rows))
                    waiting, rows = [], []
                advance(len(part))


def encode(featurizer: Featurizer, images: Sequence[Path]) -> np.ndarray:
    """float32 [N, K, F] of one batch of pictures. UserError when features are not finite."""
    pixels = torch.stack([featurizer.pixels(image) for image in images])
    with torch.no_grad():
        features = featurizer.features(pixels).float().cpu().numpy()
    if not np.isfinite(features).all():
        place = int(np.argwhere(~np.isfinite(features))[0][0])
        raise UserError(f"{featurizer.name} gives features that are not finite for {images[place]}")
    return features
