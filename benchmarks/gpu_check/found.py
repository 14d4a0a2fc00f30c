"""What a part is given and what it leaves: figures are on disk as soon as they are known, so a killed part keeps its
own.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class NotHereError(Exception):
    """The part cannot be done on this device; the text says why. No failure."""


@dataclass(frozen=True)
class Check:
    """What all parts know."""

    place: Path  # a scratch folder of the part's own
    small: bool  # on a CPU, with models of no size

    @property
    def device(self) -> str:
        return "cpu" if self.small else "cuda"


class Found:
    """Figures by name, `lines` for people, and what is wrong; written whole at every change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {"figures": {}, "lines": [], "wrong": []}

    def figure(self, name: str, value: Any) -> None:
        self.values["figures"][name] = value
        self._write()

    def say(self, line: str) -> None:
        self.values["lines"].append(line)
        self._write()

    def require(self, holds: bool, otherwise: str) -> None:
        """Note what is wrong, and go on."""
        if not holds:
            self.values["wrong"].append(otherwise)
            self._write()

    def end(self, status: str, why: str = "") -> None:
        self.values |= {"status": status, "why": why}
        self._write()

    def _write(self) -> None:
        other = self.path.with_suffix(".writing")
        other.write_text(json.dumps(self.values, default=str), encoding="utf-8")
        os.replace(other, self.path)
