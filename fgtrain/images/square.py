"""A picture as one square, whatever its shape."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from .spec import ImageSpec, Layout


@dataclass(frozen=True, kw_only=True)
class Square(ImageSpec):
    """Resized to a square, scaled to [0, 1], normalised: one row of pixels [3, size, size]."""

    kind: ClassVar[str] = "square"
    needs_size: ClassVar[bool] = False

    size: int  # pixels
    tokens: int  # image tokens (P) the language model gets for one picture

    @property
    def fixed_tokens(self) -> int:
        return self.tokens

    @property
    def most_tokens(self) -> int:
        return self.tokens

    def layout(self, width: int, height: int, alone: bool = True) -> Layout:
        return Layout(self.tokens, 1)

    def pixels(self, picture: Image.Image, alone: bool = True) -> np.ndarray:
        return self.normalised(self.sized(picture))[None]

    def sized(self, picture: Image.Image) -> Image.Image:
        return self.resized(picture, self.size, self.size)

    def blank(self) -> tuple[np.ndarray, tuple[int, ...]]:
        return np.zeros((1, 3, self.size, self.size), np.float32), ()

    def settings(self) -> dict[str, Any]:
        side = {"height": self.size, "width": self.size}
        return {"size": side, "do_center_crop": False, "crop_size": side, **self.common_settings()}

    def to_dict(self) -> dict[str, Any]:
        """As checkpoints and feature caches have always had it."""
        values = {"size": self.size, "mean": self.mean, "std": self.std}
        values |= {"resample": self.resample, "tokens": self.tokens}
        return values | {key: getattr(self, key) for key in ("before", "after", "token") if getattr(self, key)}
