"""A picture whole and, beside that, in the best of many resolutions, cut into squares (LLaVA-NeXT and -OneVision)."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from .spec import ImageSpec, Layout


@dataclass(frozen=True, kw_only=True)
class AnyRes(ImageSpec):
    """Rows of pixels are squares [3, size, size]: the whole picture, then those of the chosen resolution.

    In the chosen resolution the picture keeps its shape, centred on black; image tokens of the black are left out
    again, and each row of tokens ends in a learnt line break. Too many are shrunk to `max_squares` squares' worth.
    Where a sample has several pictures, each of LLaVA-OneVision's is one square: padded with the mean colour, with one
    line break.

    `Layout.shape` is (rows of pixels, height, width).
    """

    kind: ClassVar[str] = "anyres"

    size: int  # pixels of a square's side
    tokens: int  # image tokens of one square
    side: int  # its grid of tokens is side x side
    resolutions: tuple[tuple[int, int], ...]  # (height, width) in pixels, multiples of size
    max_squares: int | None  # None: however many tokens they are
    processor: str = "LlavaOnevisionImageProcessor"  # transformers' class; of LLaVA-NeXT every picture is cut

    @property
    def fixed_tokens(self) -> None:
        return None

    @property
    def most_tokens(self) -> int:
        """The picture whole, its squares (scaled down where they are too many), and a token at the end of each row."""
        most = 0
        for high, wide in self.resolutions:
            rows, columns = high // self.size * self.side, wide // self.size * self.side
            inner = rows * columns
            if self.max_squares is not None:
                inner = min(inner, int(1.1**2 * self.max_squares * self.side**2))
            most = max(most, inner + rows)
        return self.tokens + most

    @property
    def cuts_all(self) -> bool:
        """Is a picture cut into squares beside others as well?"""
        return self.processor == "LlavaNextImageProcessor"

    def resolution(self, width: int, height: int) -> tuple[int, int]:
        """(height, width): where most of the picture's pixels are kept; of equals, where least is black."""

        def fit(resolution: tuple[int, int]) -> tuple[int, int]:
            high, wide = resolution
            scale = min(wide / width, high / height)
            kept = min(int(width * scale) * int(height * scale), width * height)
            return kept, kept - wide * high

        return max(self.resolutions, key=fit)

    def layout(self, width: int, height: int, alone: bool = True) -> Layout:
        if not (alone or self.cuts_all):
            return Layout(self.tokens + 1, 1, (1, height, width))
        rows, columns = (pixels // self.size for pixels in self.resolution(width, height))
        high, wide = rows * self.side, columns * self.side
        if width / height > wide / high:
            high -= (high - int(round(height * (wide / width), 7))) // 2 * 2
        else:
            wide -= (wide - int(round(width * (high / height), 7))) // 2 * 2
        if self.max_squares is not None:
            ratio = math.sqrt(high * wide / (self.max_squares * self.side**2))
            if ratio > 1.1:
                high, wide = int(high // ratio), int(wide // ratio)
        squares = 1 + rows * columns
        return Layout(self.tokens + high * (wide + 1), squares, (squares, height, width))

    def pixels(self, picture: Image.Image, alone: bool = True) -> np.ndarray:
        side = self.size
        if not (alone or self.cuts_all):
            return self.normalised(self.resized(self.padded(picture), side, side))[None]
        high, wide = self.resolution(*picture.size)
        whole = Image.new("RGB", (wide, high))
        width, height = self._within(picture.size, wide, high)
        whole.paste(self.resized(picture, width, height), ((wide - width) // 2, (high - height) // 2))
        rows, columns = high // side, wide // side
        cut = self.normalised(whole).reshape(3, rows, side, columns, side).transpose(1, 3, 0, 2, 4)
        first = self.normalised(self.resized(picture, side, side))[None]
        return np.concatenate([first, cut.reshape(-1, 3, side, side)])

    def _within(self, size: tuple[int, int], wide: int, high: int) -> tuple[int, int]:
        """(width, height) of a picture of `size` as large as it fits."""
        width, height = size
        if wide / width < high / height:
            return wide, min(math.ceil(height * (wide / width)), high)
        return min(math.ceil(width * (high / height)), wide), high

    def told(self, width: int, height: int) -> str:
        high, wide = self.resolution(width, height)
        squares = f"squares of {self.size} px"
        return f"centred on black of {wide} x {high}, cut into {squares}, and stretched to one more"

    def blank(self) -> tuple[np.ndarray, tuple[int, ...]]:
        return np.zeros((1, 3, self.size, self.size), np.float32), (1, self.size, self.size)

    def settings(self) -> dict[str, Any]:
        return {
            "image_processor_type": self.processor,
            "size": {"height": self.size, "width": self.size},
            "crop_size": {"height": self.size, "width": self.size},
            "image_grid_pinpoints": [list(resolution) for resolution in self.resolutions],
            "do_pad": True,
            **self.common_settings(),
        }
