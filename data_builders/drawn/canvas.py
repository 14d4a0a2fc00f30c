"""Drawing by polygons in units of the picture's side, at twice the size, then reduced; gradients and noise."""

import io

import numpy as np
from PIL import Image, ImageDraw

Points = np.ndarray  # [n, 2], x to the right and y down, in units of the picture's side; (0, 0) is the middle

OVERSAMPLING = 2
OUTLINE = (16, 16, 20)


def ellipse(x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0) -> Points:
    """An ellipse, or the part of it between two angles in degrees (0 = right, 90 = down)."""
    angles = np.radians(np.linspace(start, stop, 24))
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)


def polygon(*pairs: tuple[float, float]) -> Points:
    return np.array(pairs, dtype=float)


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def star(x: float, y: float, radius: float) -> Points:
    angles = np.radians(-90 + 36 * np.arange(10))
    radii = np.where(np.arange(10) % 2 == 0, radius, radius * 0.45)
    return np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=1)


class Canvas:
    """A square picture of `pixels` on which polygons are drawn, through an optional 2 x 2 matrix and a shift."""

    def __init__(self, pixels: int, top: np.ndarray, bottom: np.ndarray):
        """A background that runs from the colour `top` to the colour `bottom`."""
        self.pixels = pixels
        self.side = pixels * OVERSAMPLING
        weight = np.linspace(0, 1, self.side)[:, None]
        column = np.rint(top * (1 - weight) + bottom * weight).astype(np.uint8)
        self.image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(column[:, None], (self.side, self.side, 3))))
        self.pen = ImageDraw.Draw(self.image)
        self.matrix, self.shift = np.eye(2), np.zeros(2)
        self.seen: list[Points] = []

    def place(self, matrix: np.ndarray, shift: np.ndarray) -> None:
        """Draw all that follows through `point @ matrix.T + shift`."""
        self.matrix, self.shift = matrix, shift

    def fill(self, points: Points, color: tuple[int, int, int], outline: bool = True) -> None:
        placed = (points @ self.matrix.T + self.shift + 0.5) * self.side
        self.seen.append(placed)
        corners = [tuple(point) for point in placed.tolist()]
        self.pen.polygon(corners, fill=color)
        if outline:
            self.pen.line([*corners, corners[0]], fill=OUTLINE, width=max(1, self.side // 96))

    def bounding_box(self) -> tuple[float, float, float, float]:
        """x, y, width, height in pixels of all that was drawn, cut at the border."""
        points = np.concatenate(self.seen) / OVERSAMPLING
        low, high = points.min(0).clip(0, self.pixels), points.max(0).clip(0, self.pixels)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])

    def finish(self, rng: np.random.Generator, noise: float) -> Image.Image:
        """The picture at its own size, with noise of that standard deviation in grey levels."""
        small = np.asarray(self.image.reduce(OVERSAMPLING)).astype(np.float32)
        small += rng.standard_normal(small.shape, dtype=np.float32) * noise
        return Image.fromarray(np.clip(np.rint(small), 0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> bytes:
    # 4:4:4: at 64 pixels halved colour planes would blur a crown into its head.
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90, subsampling=0)
    return stream.getvalue()


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
