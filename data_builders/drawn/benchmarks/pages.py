"""What the drawn benchmarks share: writing a picture once, and sheets of paper with words on them."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...shared.files import write_bytes
from ...shared.seeding import draw
from ..canvas import jpeg
from ..miniature import Miniature

Painter = Callable[[np.random.Generator, int], Image.Image]  # (draws, pixels) -> the picture
Rectangle = tuple[int, int, int, int]  # left, top, right, bottom in pixels

INK = (24, 24, 32)
SMALLEST_FONT = 7  # pixels


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def pictures(mini: Miniature) -> range:
    """The numbers of the pictures that a benchmark has: as many as there are test pictures of a species."""
    return range(mini.counts["test"])


def write_picture(
    mini: Miniature, benchmark: str, number: int, path: str, painter: Painter, encode: Callable = png
) -> None:
    """Write one picture to `path` below the miniature, unless an interrupted build has written it."""
    if not (mini.out / path).exists():
        rng = draw(mini.seed, "drawn", benchmark, number, "picture")
        write_bytes(mini.out / path, encode(painter(rng, mini.pixels)))
    mini.advance(1)


class Sheet:
    """Paper on which words and shapes are drawn; sizes are shares of the picture's side."""

    def __init__(self, rng: np.random.Generator, pixels: int):
        self.pixels = pixels
        paper = tuple(int(one) for one in rng.integers(225, 256, 3))
        self.image = Image.new("RGB", (pixels, pixels), paper)
        self.pen = ImageDraw.Draw(self.image)

    def write(self, x: float, y: float, text: str, size: float, anchor: str = "lm") -> Rectangle:
        """Write a text; return the rectangle that it covers."""
        font = ImageFont.load_default(max(SMALLEST_FONT, round(size * self.pixels)))
        place = (round(x * self.pixels), round(y * self.pixels))
        self.pen.text(place, text, INK, font, anchor)
        left, top, right, bottom = self.pen.textbbox(place, text, font, anchor)
        return int(left), int(top), int(right), int(bottom)

    def fill(self, points: np.ndarray, color: tuple[int, int, int]) -> None:
        """A polygon whose coordinates run from -0.5 to 0.5, as `canvas` has them."""
        self.pen.polygon([tuple(point) for point in ((points + 0.5) * self.pixels).tolist()], fill=color, outline=INK)


__all__ = ["INK", "Painter", "Rectangle", "Sheet", "jpeg", "pictures", "png", "write_picture"]
