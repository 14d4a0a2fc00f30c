"""A picture scaled up to a grid of squares, and the whole of it as one more, with text between them (SmolVLM)."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from .spec import ImageSpec, Layout

AROUND, WHOLE = "<fake_token_around_image>", "<global-img>"


@dataclass(frozen=True, kw_only=True)
class Split(ImageSpec):
    """Rows of pixels are squares [3, size, size], row by row of the grid; the whole picture is the last.

    A picture is resized twice, as transformers does it: its longer side to `longest`, then to a multiple of squares.
    """

    kind: ClassVar[str] = "split"

    size: int  # pixels of a square's side
    tokens: int  # image tokens (P) of one square
    longest: int  # pixels of the longer side
    cut: bool = True  # False: the whole picture alone
    processor: str = "SmolVLMImageProcessor"  # transformers' class

    @property
    def needs_size(self) -> bool:
        return self.cut

    @property
    def fixed_tokens(self) -> int | None:
        return None if self.cut else self.tokens

    @property
    def most_tokens(self) -> int:
        squares = math.ceil(self.longest / self.size) ** 2 if self.cut else 1
        return self.tokens * (squares + (squares > 1))

    def first(self, width: int, height: int) -> tuple[int, int]:
        """(width, height), the longer side of the wanted length and the other one even."""
        shape = width / height
        if width >= height:
            other = int(self.longest / shape)
            return self.longest, max(other + other % 2, 1)
        other = int(self.longest * shape)
        return max(other + other % 2, 1), self.longest

    def grid(self, width: int, height: int) -> tuple[int, int]:
        """(columns, rows) of the squares."""
        if not self.cut:
            return 1, 1
        width, height = self.first(width, height)
        shape = width / height
        if width >= height:
            columns = math.ceil(width / self.size)
            return columns, math.ceil(int(columns * self.size / shape) / self.size)
        rows = math.ceil(height / self.size)
        return math.ceil(int(rows * self.size * shape) / self.size), rows

    def layout(self, width: int, height: int, alone: bool = True) -> Layout:
        columns, rows = self.grid(width, height)
        written: list[str | int] = []
        if columns * rows > 1:
            for row in range(rows):
                for column in range(columns):
                    written += [AROUND, f"<row_{row + 1}_col_{column + 1}>", self.tokens]
                written.append("\n")
            written.append("\n")
        written += [AROUND, WHOLE, self.tokens, AROUND]
        squares = columns * rows + (columns * rows > 1)
        return Layout(squares * self.tokens, squares, written=tuple(written))

    def pixels(self, picture: Image.Image, alone: bool = True) -> np.ndarray:
        side = self.size
        columns, rows = self.grid(*picture.size)
        picture = self.resized(picture, *self.first(*picture.size))
        # the whole is made of what the grid is cut from, too
        return self.squares(self.resized(picture, columns * side, rows * side), columns, rows, side)

    def told(self, width: int, height: int) -> str:
        columns, rows = self.grid(width, height)
        if columns * rows == 1:
            return f"stretched to one square of {self.size} px"
        return f"stretched to {columns} x {rows} squares of {self.size} px, and once more to one square"

    def blank(self) -> tuple[np.ndarray, tuple[int, ...]]:
        return np.zeros((1, 3, self.size, self.size), np.float32), ()

    def settings(self) -> dict[str, Any]:
        return {
            "image_processor_type": self.processor,
            "size": {"longest_edge": self.longest},
            "max_image_size": {"longest_edge": self.size},
            "do_image_splitting": self.cut,
            "do_pad": True,
            **self.common_settings(),
        }
