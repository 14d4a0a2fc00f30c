"""How anything drawn is photographed: pose, size, place, background and light are drawn anew for each picture."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .canvas import Canvas


@dataclass(frozen=True)
class Drawing:
    image: Image.Image
    bounding_box: tuple[float, float, float, float]  # x, y, width, height in pixels


def background(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two muted colours."""
    return rng.uniform(70, 190, 3), rng.uniform(70, 190, 3)


def photographed(paint: Callable[[Canvas], None], rng: np.random.Generator, pixels: int) -> Drawing:
    """What `paint` draws about the middle and about one unit long, in a drawn pose before a drawn background."""
    canvas = Canvas(pixels, *background(rng))
    scale, angle, flip = rng.uniform(1.0, 1.2) * 0.84, np.radians(rng.uniform(-12, 12)), rng.integers(2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mirror = np.diag([-1.0 if flip else 1.0, 1.0])
    canvas.place(turn @ mirror * scale, rng.uniform(-0.05, 0.05, 2))
    paint(canvas)
    return Drawing(canvas.finish(rng, noise=6.0), canvas.bounding_box())
