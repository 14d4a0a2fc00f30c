"""Which published tensor becomes which native ones."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import PreTrainedConfig

Cut = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Piece:
    """One native tensor: its name in the written files, and how it is cut out of a published one (None = whole)."""

    name: str
    cut: Cut | None = None

    def under(self, prefix: str) -> "Piece":
        return Piece(prefix + self.name, self.cut)


@dataclass(frozen=True)
class Part:
    """A model to be written: its native class and config, and what becomes of each published tensor."""

    kind: str  # for messages
    model_class: Any
    config: PreTrainedConfig
    pieces: Callable[[str], list[Piece] | None]  # published name -> native tensors; None = unknown, [] = left out
    disk_name: Callable[[str], str] = str  # name in state_dict -> name in the files
    tied: tuple[str, str] | None = None  # published names of two tensors that are one, the second not written
    notes: tuple[str, ...] = ()


def renamed(name: str, table: dict[str, str]) -> str | None:
    """The new name by the first pattern that matches the whole name, or None."""
    for pattern, new in table.items():
        if (match := re.fullmatch(pattern, name)) is not None:
            return match.expand(new)
    return None
