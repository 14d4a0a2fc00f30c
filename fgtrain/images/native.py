"""A picture in its own size, as patches in rows; its tokens have a place in time, height and width (Qwen2.5-VL)."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from fgtrain.errors import UserError

from .spec import ImageSpec, Layout

MOST_ELONGATED = 200  # of longer pictures the published code knows no size


@dataclass(frozen=True, kw_only=True)
class Native(ImageSpec):
    """Rows of pixels are patches [3 x frames x patch x patch], those that merge into one token behind each other.

    `Layout.shape` is (1, patches high, patches wide): the grid of a video of one moment.
    """

    kind: ClassVar[str] = "native"
    axes: ClassVar[int] = 3

    patch: int  # pixels of a patch's side
    merge: int  # merge x merge patches become one token
    frames: int  # a patch spans so many frames of a video; a picture is shown in each
    min_pixels: int  # of the whole picture after resizing
    max_pixels: int

    @property
    def fixed_tokens(self) -> None:
        return None

    @property
    def most_tokens(self) -> int:
        """A picture so long that a side would be less than one token stays a little above `max_pixels`."""
        unit = self.patch * self.merge
        return max(self.max_pixels // unit**2, MOST_ELONGATED)

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) after resizing: multiples of patch x merge, the number of pixels within the limits."""
        if max(width, height) > MOST_ELONGATED * min(width, height):
            raise UserError(
                f"a picture of {width} x {height} pixels is more than {MOST_ELONGATED} times as long as wide, which "
                f"this model cannot take. Crop it or remove its row"
            )
        unit = self.patch * self.merge
        high, wide = round(height / unit) * unit, round(width / unit) * unit
        if high * wide > self.max_pixels:
            shrink = math.sqrt(height * width / self.max_pixels)
            high, wide = (max(unit, math.floor(side / shrink / unit) * unit) for side in (height, width))
        elif high * wide < self.min_pixels:
            grow = math.sqrt(self.min_pixels / (height * width))
            high, wide = (math.ceil(side * grow / unit) * unit for side in (height, width))
        return wide, high

    def layout(self, width: int, height: int, alone: bool = True) -> Layout:
        wide, high = (side // self.patch for side in self.fitted(width, height))
        grid = (high // self.merge, wide // self.merge)
        return Layout(grid[0] * grid[1], high * wide, (1, high, wide), grid)

    def pixels(self, picture: Image.Image, alone: bool = True) -> np.ndarray:
        picture = self.sized(picture)
        pixels_CHW = self.normalised(picture)
        wide, high = (side // (self.patch * self.merge) for side in picture.size)
        blocks = pixels_CHW.reshape(3, high, self.merge, self.patch, wide, self.merge, self.patch)
        blocks = blocks.transpose(1, 4, 2, 5, 0, 3, 6)[
            :, :, :, :, :, None
        ]  # high, wide, merge, merge, 3, -, patch, patch
        return np.repeat(blocks, self.frames, axis=5).reshape(high * wide * self.merge**2, -1)

    def sized(self, picture: Image.Image) -> Image.Image:
        return self.resized(picture, *self.fitted(*picture.size))

    def told(self, width: int, height: int) -> str:
        wide, high = self.fitted(width, height)
        return f"made {wide} x {high}, in patches of {self.patch} px"

    def blank(self) -> tuple[np.ndarray, tuple[int, ...]]:
        values = 3 * self.frames * self.patch**2
        return np.zeros((self.merge**2, values), np.float32), (1, self.merge, self.merge)

    def settings(self) -> dict[str, Any]:
        return {
            "image_processor_type": "Qwen2VLImageProcessor",
            "size": {"shortest_edge": self.min_pixels, "longest_edge": self.max_pixels},
            "min_pixels": self.min_pixels,
            "max_pixels": self.max_pixels,
            "patch_size": self.patch,
            "temporal_patch_size": self.frames,
            "merge_size": self.merge,
            **self.common_settings(),
        }
