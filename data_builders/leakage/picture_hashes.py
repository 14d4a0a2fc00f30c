"""What a picture looks like, in 257 bytes: a perceptual hash, the mirrored picture's, and its colours on an 8 x 8 grid.

The hash has 256 bits: of the picture in grey at 64 x 64 pixels, is the amplitude of each of the 256 lowest spatial
frequencies above their median? The lowest come first, so its first 64 bits are a coarse hash of their own. Two
encodings of one picture differ in a few bits, a picture and its slightly cropped copy in up to about 50, two pictures
of one thing in more than 60. Hashes know no colour, and drawings with few shapes have close hashes, so colours decide
as well.
"""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ..shared.errors import UserError
from ..shared.pictures import open_reduced

SIDE = 64  # pixels of the grey picture
BITS = 256
GRID = 8  # cells a side of the colour grid
FLAT = 2.0  # grey levels: a picture whose grey varies less has no shapes to compare
LOOK = np.dtype(
    [("hash", "u1", BITS // 8), ("mirrored", "u1", BITS // 8), ("colours", "u1", (GRID, GRID, 3)), ("flat", "u1")]
)
NEAR_BITS = 48  # the default of --near-bits
# Colours are compared after the brightness of one is brought to the other's. Cropping changes the cells at edges, and
# leaves at least a quarter of them nearly as they were; of another picture hardly any cell is. Where no shape has moved
# (few bits differ), no cell may change much either: then it is a bar of another colour. All of 255.
QUARTER_COLOUR, MEAN_COLOUR, LARGEST_COLOUR, LARGEST_COLOUR_A_BIT = 4, 12, 24, 0.5
LARGEST_GAIN = 1.07


@cache
def frequencies() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cosine transform's matrix, the places of the 256 lowest frequencies, and each one's sign when mirrored."""
    most = 24
    frequency, pixel = np.arange(most)[:, None], np.arange(SIDE)[None, :]
    matrix = np.cos(np.pi * (2 * pixel + 1) * frequency / (2 * SIDE)).astype(np.float32)
    down, across = np.divmod(np.arange(most * most), most)
    order = np.lexsort((down, down + across))[1 : BITS + 1]  # without the mean
    return matrix, order, np.where(across[order] % 2, -1, 1).astype(np.float32)


def reduced(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The picture in grey at 64 x 64 and in colours at 8 x 8, as a model sees it. UserError when it cannot be read."""
    try:
        image = open_reduced(path, SIDE)
        grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        return np.asarray(grey), np.asarray(image.resize((GRID, GRID), Image.Resampling.BOX))
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a decoder may raise anything on broken bytes
        raise UserError(f"image {path} cannot be read ({error}); replace the file or remove its row") from None


def looks_of(pictures: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """One LOOK of each; many at a time, because numpy's calls cost more than the sums of one picture."""
    looks = np.zeros(len(pictures), LOOK)
    if not pictures:
        return looks
    matrix, order, mirror = frequencies()
    grey = np.stack([one for one, _ in pictures]).astype(np.float32)
    amplitudes = (matrix @ grey @ matrix.T).reshape(len(grey), -1)[:, order]
    for name, values in (("hash", amplitudes), ("mirrored", amplitudes * mirror)):
        looks[name] = np.packbits(values > np.median(values, axis=1, keepdims=True), axis=1)
    looks["colours"] = np.stack([colours for _, colours in pictures])
    looks["flat"] = grey.std((1, 2)) < FLAT
    return looks


def same_colours(one: np.ndarray, other: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """For pairs of colour grids (n x 8 x 8 x 3 each) of pictures that differ in so many bits: one picture's?"""
    one, other = one.astype(np.float32), other.astype(np.float32)
    gain = (one.mean((1, 2, 3)) + 1) / (other.mean((1, 2, 3)) + 1)
    other = np.minimum(other * np.clip(gain, 1 / LARGEST_GAIN, LARGEST_GAIN)[:, None, None, None], 255)
    apart = np.abs(one - other).max(-1).reshape(len(one), GRID * GRID)
    quarter = np.quantile(apart, 0.25, axis=1)
    largest = LARGEST_COLOUR + LARGEST_COLOUR_A_BIT * bits
    return (quarter <= QUARTER_COLOUR) & (apart.mean(1) <= MEAN_COLOUR) & (apart.max(1) <= largest)
