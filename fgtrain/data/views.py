"""A view: a picture as it is seen, once it is fixed how it is augmented. What can be looked up by content."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_builders.shared.files import sha256_file
from data_builders.shared.seeding import address_hash
from fgtrain.errors import UserError
from fgtrain.images import ImageSpec

from .image import ImageRef, render


@dataclass(frozen=True)
class View:
    """A picture and one of its fixed augmentations. Number 0 is the picture as it is."""

    ref: ImageRef
    augment: str = "none"
    number: int = 0


class Contents:
    """Knows pictures by what is in their files. A file's hash is kept while its size and date stay the same."""

    def __init__(self, memo: Path | None = None) -> None:
        """`memo`: a JSON-lines file that keeps the hashes for the next process."""
        self.memo = memo
        self._known: dict[str, tuple[int, int, str]] = {}
        self._new: list[str] = []
        if memo is not None and memo.is_file():
            for line in memo.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
                try:
                    path, size, changed, sha = json.loads(line)
                except (ValueError, TypeError):  # torn by a killed process
                    continue
                self._known[path] = (size, changed, sha)

    def sha256(self, path: Path) -> str:
        """Of the file's bytes. UserError when it is not there."""
        try:
            stat = os.stat(path)
        except OSError:
            raise UserError(f"no image {path}") from None
        name = str(path)
        known = self._known.get(name)
        if known is None or known[:2] != (stat.st_size, stat.st_mtime_ns):
            known = self._known[name] = (stat.st_size, stat.st_mtime_ns, sha256_file(path))
            self._new.append(json.dumps([name, *known]) + "\n")
        return known[2]

    def save(self) -> None:
        """Append what is new to the memo."""
        if self.memo is not None and self._new:
            self.memo.parent.mkdir(parents=True, exist_ok=True)
            with open(self.memo, "a", encoding="utf-8") as file:
                file.write("".join(self._new))
        self._new = []

    def of(self, ref: ImageRef) -> tuple:
        """What decides the picture."""
        shas = tuple(self.sha256(path) for path in ref.files)
        return (shas, ref.grid, ref.tile_pixels, ref.order, ref.exact) if ref.tiles else shas

    def key(self, view: View) -> str:
        """32 hexadecimal digits that stand for the view, whatever its files are called."""
        augment = view.augment if view.number else "none"
        text = repr((self.of(view.ref), augment, view.number if augment != "none" else 0))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def pixels(self, view: View, spec: ImageSpec, *, alone: bool = True) -> np.ndarray:
        """The view's pixels float32 [rows, ...]; equal content gives equal pixels."""
        if view.augment == "none" or view.number == 0:
            return render(view.ref, spec, alone=alone)
        content = address_hash(*self.of(view.ref))
        return render(view.ref, spec, view.augment, ("view", content, view.number), alone=alone)


def distinct(views: Iterable[View]) -> list[View]:
    """Each view once, in order of first appearance."""
    return list(dict.fromkeys(views))
