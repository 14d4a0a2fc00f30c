"""What every way of turning pictures into model inputs has in common."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from data_builders.shared.llava_as_published import padded

RESAMPLE = {
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True)
class Layout:
    """What one picture becomes, known from its width and height."""

    tokens: int  # image tokens that the language model gets
    rows: int  # rows of pixels: tiles, or patches of a natively sized picture
    shape: tuple[int, ...] = ()  # what the family must know of the picture beside its pixels
    grid: tuple[int, int] | None = None  # image tokens in rows x columns, where positions have more than one axis
    # Where text stands between a picture's image tokens: special tokens and white space, and numbers of image tokens,
    # in order. Empty: all image tokens in a row, between the spec's `before` and `after`.
    written: tuple[str | int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImageSpec(ABC):
    """How pictures become inputs of one model."""

    kind: ClassVar[str]
    axes: ClassVar[int] = 1  # of token positions; 3: temporal, vertical, horizontal
    needs_size: ClassVar[bool] = True  # does a picture's size decide its tokens?

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resample: str  # of RESAMPLE
    before: tuple[str, ...] = ()  # special tokens, and line breaks, around the image tokens of each picture
    after: tuple[str, ...] = ()
    token: str = ""  # what stands for one image token in a text, a special token; "" = the tokenizer has none

    @property
    @abstractmethod
    def fixed_tokens(self) -> int | None:
        """Image tokens of every picture, or None where they depend on its size."""

    @property
    @abstractmethod
    def most_tokens(self) -> int:
        """Image tokens that no picture alone in its sample has more of."""

    @abstractmethod
    def layout(self, width: int, height: int, alone: bool = True) -> Layout:
        """The layout of a picture. `alone`: no other picture is in its sample. UserError: it cannot be taken."""

    @abstractmethod
    def pixels(self, picture: Image.Image, alone: bool = True) -> np.ndarray:
        """Normalised float32 [rows, ...] of an RGB picture, as many rows as its layout says."""

    def sized(self, picture: Image.Image) -> Image.Image:
        """The picture as a server is sent it: where it becomes one of a single size here, in that size, so that no
        other resizing comes between; else as it is, to be cut by the server's own program.
        """
        return picture

    @abstractmethod
    def told(self, width: int, height: int) -> str:
        """For people: what becomes of a picture alone in its sample, which has these sides."""

    @abstractmethod
    def blank(self) -> tuple[np.ndarray, tuple[int, ...]]:
        """(pixels, shape) of the smallest picture, all zeros: what stands in where a batch has none."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """preprocessor_config.json: the same by transformers' own image processor."""

    def to_dict(self) -> dict[str, Any]:
        """All that decides what a picture becomes, as JSON takes it."""
        return {"kind": self.kind, **asdict(self)}

    def resized(self, picture: Image.Image, width: int, height: int) -> Image.Image:
        if picture.size == (width, height):
            return picture
        return picture.resize((width, height), RESAMPLE[self.resample])

    def padded(self, picture: Image.Image) -> Image.Image:
        return padded(picture, self.mean)

    def squares(self, picture: Image.Image, columns: int, rows: int, side: int) -> np.ndarray:
        """[squares, 3, side, side]: the picture scaled to a grid of squares, row by row, and where there are several,
        the whole of it as one more."""
        grid = self.normalised(self.resized(picture, columns * side, rows * side))
        cut = grid.reshape(3, rows, side, columns, side).transpose(1, 3, 0, 2, 4).reshape(-1, 3, side, side)
        if len(cut) == 1:
            return cut
        return np.concatenate([cut, self.normalised(self.resized(picture, side, side))[None]])

    def normalised(self, picture: Image.Image) -> np.ndarray:
        """float32 [3, height, width]."""
        pixels_HWC = np.asarray(picture, dtype=np.float32) / np.float32(255)
        pixels_HWC = (pixels_HWC - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(pixels_HWC.transpose(2, 0, 1))

    def common_settings(self) -> dict[str, Any]:
        """The part of `settings` about pixel values."""
        return {
            "do_convert_rgb": True,
            "do_resize": True,
            "resample": int(RESAMPLE[self.resample]),
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
        }
