"""A picture as one square, whatever its shape."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from .spec import ImageSpec, Layout


@dataclass(frozen=True, kw_only=True)
class Square(ImageSpec):
    """Made a square, scaled to [0, 1], normalised: one row of pixels [3, size, size].

    `fit`: pad (borders of the mean colour, as LLaVA-1.5 has it), stretch (to another shape), or crop (its middle).
    """

    kind: ClassVar[str] = "square"
    needs_size: ClassVar[bool] = False

    size: int  # pixels
    tokens: int  # image tokens (P) the language model gets for one picture
    fit: str = "stretch"

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
        """The square that the model sees."""
        if self.fit == "pad":
            picture = self.padded(picture)
        elif self.fit == "crop":
            width, height = self.covering(*picture.size)
            left, top = (width - self.size) // 2, (height - self.size) // 2
            return self.resized(picture, width, height).crop((left, top, left + self.size, top + self.size))
        return self.resized(picture, self.size, self.size)

    def covering(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of a picture whose shorter side is made as long as the square's."""
        shorter = min(width, height)
        return int(self.size * width / shorter), int(self.size * height / shorter)

    def told(self, width: int, height: int) -> str:
        if self.fit == "pad":
            side = max(width, height)
            return f"padded with its mean colour to {side} x {side}, then made {self.size} x {self.size}"
        if self.fit == "crop":
            wide, high = self.covering(width, height)
            return f"made {wide} x {high}, of which the middle {self.size} x {self.size} is kept"
        return f"stretched to {self.size} x {self.size}"

    def blank(self) -> tuple[np.ndarray, tuple[int, ...]]:
        return np.zeros((1, 3, self.size, self.size), np.float32), ()

    def settings(self) -> dict[str, Any]:
        """Of transformers' CLIP processor, or, of which alone pads, LLaVA's. Where nothing is padded it says so: of a
        setting that crops and says no more, LLaVA's own code pads.
        """
        side = {"height": self.size, "width": self.size}
        size = {"shortest_edge": self.size} if self.fit == "crop" else side
        values = {"size": size, "do_center_crop": self.fit == "crop", "crop_size": side, **self.common_settings()}
        if self.fit == "pad":
            return {"image_processor_type": "LlavaImageProcessor", "do_pad": True, **values}
        return values | ({"do_pad": False} if self.fit == "crop" else {})

    def to_dict(self) -> dict[str, Any]:
        """As checkpoints and feature caches have always had it."""
        values = {"size": self.size, "mean": self.mean, "std": self.std}
        values |= {"resample": self.resample, "tokens": self.tokens}
        values |= {"fit": self.fit} if self.fit != "stretch" else {}
        return values | {key: getattr(self, key) for key in ("before", "after", "token") if getattr(self, key)}
