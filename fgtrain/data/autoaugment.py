"""AutoAugment's policy for ImageNet (Cubuk et al., arXiv 1805.09501, Table 9), with torchvision's magnitudes.

A picture gets one of 25 sub-policies, drawn evenly; each of its two operations is done with its own probability, at its
own magnitude (a place in ten even steps of the operation's range). Rotations and shears leave black corners and take
the nearest pixel; those, and what changes colour, contrast or sharpness, go either way with equal chance.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

STEPS = 10


def rotate(picture: Image.Image, degrees: float) -> Image.Image:
    return picture.rotate(degrees)


def shear_x(picture: Image.Image, share: float) -> Image.Image:
    """Row y is moved by share x y pixels to the left; the size stays."""
    return picture.transform(picture.size, Image.Transform.AFFINE, (1, share, 0, 0, 1, 0))


def color(picture: Image.Image, more: float) -> Image.Image:
    return ImageEnhance.Color(picture).enhance(1 + more)


def contrast(picture: Image.Image, more: float) -> Image.Image:
    return ImageEnhance.Contrast(picture).enhance(1 + more)


def sharpness(picture: Image.Image, more: float) -> Image.Image:
    return ImageEnhance.Sharpness(picture).enhance(1 + more)


def posterize(picture: Image.Image, lost: float) -> Image.Image:
    """Of the eight bits of a value, so many (rounded) are cleared from below."""
    return ImageOps.posterize(picture, 8 - round(lost))


def solarize(picture: Image.Image, threshold: float) -> Image.Image:
    """Values from the threshold on are inverted."""
    return ImageOps.solarize(picture, threshold)


def autocontrast(picture: Image.Image, _: float) -> Image.Image:
    return ImageOps.autocontrast(picture)


def equalize(picture: Image.Image, _: float) -> Image.Image:
    return ImageOps.equalize(picture)


def invert(picture: Image.Image, _: float) -> Image.Image:
    return ImageOps.invert(picture)


@dataclass(frozen=True)
class Operation:
    """`do`, with a magnitude of STEPS even steps from `low` to `high`; `either_way`: it may be negative as well."""

    do: Callable[[Image.Image, float], Image.Image]
    low: float = 0.0
    high: float = 0.0
    either_way: bool = False

    def magnitude(self, step: int) -> float:
        return self.low + (self.high - self.low) * step / (STEPS - 1)


OPERATIONS = {
    "rotate": Operation(rotate, 0, 30, either_way=True),  # degrees
    "shear_x": Operation(shear_x, 0, 0.3, either_way=True),  # of the height
    "color": Operation(color, 0, 0.9, either_way=True),  # added to 1: 0 = grey, 1 = as it is
    "contrast": Operation(contrast, 0, 0.9, either_way=True),
    "sharpness": Operation(sharpness, 0, 0.9, either_way=True),
    "posterize": Operation(posterize, 0, 4),  # bits lost
    "solarize": Operation(solarize, 255, 0),  # the value from which on
    "autocontrast": Operation(autocontrast),
    "equalize": Operation(equalize),
    "invert": Operation(invert),
}

# Sub-policies: (operation, probability, step of its magnitude), twice.
POLICY = (
    (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
    (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("equalize", 0.4, 0), ("rotate", 0.8, 8)),
    (("solarize", 0.6, 3), ("equalize", 0.6, 0)),
    (("posterize", 0.8, 5), ("equalize", 1.0, 0)),
    (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
    (("equalize", 0.6, 0), ("posterize", 0.4, 6)),
    (("rotate", 0.8, 8), ("color", 0.4, 0)),
    (("rotate", 0.4, 9), ("equalize", 0.6, 0)),
    (("equalize", 0.0, 0), ("equalize", 0.8, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("rotate", 0.8, 8), ("color", 1.0, 2)),
    (("color", 0.8, 8), ("solarize", 0.8, 7)),
    (("sharpness", 0.4, 7), ("invert", 0.6, 0)),
    (("shear_x", 0.6, 5), ("equalize", 1.0, 0)),
    (("color", 0.4, 0), ("equalize", 0.6, 0)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("color", 0.6, 4), ("contrast", 1.0, 8)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
)


def autoaugmented(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The RGB picture under a sub-policy drawn from `rng`; of the same size, and as it was where neither is done."""
    chosen = POLICY[int(rng.integers(len(POLICY)))]
    chances, backwards = rng.random(len(chosen)), rng.integers(2, size=len(chosen))
    for (name, probability, step), chance, back in zip(chosen, chances, backwards, strict=True):
        if chance < probability:
            operation = OPERATIONS[name]
            magnitude = operation.magnitude(step)
            picture = operation.do(picture, -magnitude if operation.either_way and back else magnitude)
    return picture
