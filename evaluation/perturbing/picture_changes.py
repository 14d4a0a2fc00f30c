"""What may be done to a picture. Each change is a pure function of the pixels; chance is addressed by (seed, pixels).

The same picture thus comes out alike in any order, process and folder. What a model's family does to fit a picture
(resizing, padding, tiling) is done afterwards.

Strengths of blur and noise are ImageNet-C's (Hendrycks and Dietterich, ICLR 2019, as its `gaussian_blur` and
`gaussian_noise` have them). There pictures are 224 pixels wide and high; here they have any size, and models resize
them. So a strength holds for a picture whose short side is 224 pixels, and goes with the size: in a larger picture the
blur is as much wider, and the noise as much coarser, so that neither is lost when the picture is made smaller.
"""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from data_builders.shared.errors import UserError
from data_builders.shared.pictures import open_image
from data_builders.shared.seeding import draw
from data_builders.sources.base import Box

from .spelling import SPELT, condition_problem

VERSION = 1  # raised whenever the same picture would come out otherwise
USUAL = 3  # severity of blur and noise where none is given
BLUR = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)  # severity -> standard deviation in pixels of 224
NOISE = (0.0, 0.08, 0.12, 0.18, 0.26, 0.38)  # severity -> standard deviation, white being 1
SHORT_SIDE = 224  # pixels, to which the strengths belong
GREY = (128, 128, 128)


@dataclass(frozen=True)
class Change:
    """See data_builders.shared.pictures.PictureChange."""

    @property
    def settings(self) -> dict[str, Any]:
        return {"perturbation": type(self).__name__, "version": VERSION, **asdict(self)}


@dataclass(frozen=True)
class Blur(Change):
    """Gaussian; Pillow's, which is a series of box blurs."""

    sigma: float

    def __call__(self, picture: Image.Image) -> Image.Image:
        radius = self.sigma * min(picture.size) / SHORT_SIDE
        return picture.filter(ImageFilter.GaussianBlur(radius)) if radius else picture


@dataclass(frozen=True)
class Noise(Change):
    """Gaussian, drawn for each colour of each pixel (of a picture of 224 pixels) by itself."""

    deviation: float
    seed: int = 0

    def __call__(self, picture: Image.Image) -> Image.Image:
        if not self.deviation:
            return picture
        pixels = np.asarray(picture)
        generator = draw(self.seed, "noise", hashlib.blake2b(pixels.tobytes(), digest_size=16).hexdigest())
        share = min(1.0, SHORT_SIDE / min(picture.size))
        cells = [max(1, round(side * share)) for side in pixels.shape[:2]]
        noise = generator.normal(0.0, self.deviation, (*cells, 3)).astype(np.float32)
        rows, columns = (np.arange(side) * count // side for side, count in zip(pixels.shape[:2], cells, strict=True))
        noisy = pixels.astype(np.float32) / 255 + noise[rows][:, columns]
        return Image.fromarray(np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8))


@dataclass(frozen=True)
class GreyBackground(Change):
    """Grey everywhere but in the object's box (x, y, width, height in pixels), or but for its mask where there is one:
    a picture that is at least half white there. `mask_hash`: of the mask's file."""

    box: Box | None = None
    mask: str = ""
    mask_hash: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        known = super().settings
        return {key: value for key, value in known.items() if key != "mask"}  # wherever it lies

    def __call__(self, picture: Image.Image) -> Image.Image:
        grey = Image.new("RGB", picture.size, GREY)
        if self.mask:
            mask = open_image(Path(self.mask)).convert("L").resize(picture.size, Image.Resampling.NEAREST)
            grey.paste(picture, mask=mask.point([255 * (value >= 128) for value in range(256)]))
            return grey
        x, y, width, height = self.box
        edges = (round(x), round(y), round(x + width), round(y + height))
        left, top, right, bottom = (
            min(max(edge, 0), side) for edge, side in zip(edges, (*picture.size, *picture.size), strict=True)
        )
        grey.paste(picture.crop((left, top, right, bottom)), (left, top))
        return grey


@dataclass(frozen=True)
class Blank(Change):
    """Nothing but grey, of the picture's size: a model that answers from pictures can only guess."""

    def __call__(self, picture: Image.Image) -> Image.Image:
        return Image.new("RGB", picture.size, GREY)


def same_for_all(condition: str) -> Change | None:
    """The change that is the same for every picture; None where it depends on what a picture shows. UserError."""
    if wrong := condition_problem(condition):
        raise UserError(f"perturb: {condition!r} is {wrong}")
    kind, severity = SPELT.fullmatch(condition).groups()
    if kind:
        strengths, make = (BLUR, Blur) if kind == "blur" else (NOISE, Noise)
        return make(strengths[int(severity or USUAL)])
    return Blank() if condition == "blank" else None
