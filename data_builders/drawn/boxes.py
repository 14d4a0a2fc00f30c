"""Bounding boxes in whole pixels, as lists of data sets have them."""

import math

from .pose import Drawing


def edges(drawing: Drawing) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the smallest box of whole pixels around the creature; right and bottom outside."""
    x, y, width, height = drawing.bounding_box
    pixels = drawing.image.width
    left, top = max(0, math.floor(x)), max(0, math.floor(y))
    return left, top, min(pixels, math.ceil(x + width)), min(pixels, math.ceil(y + height))


def corners(drawing: Drawing) -> tuple[int, int, int, int]:
    """The same box by its first and last pixels, counted from 1: xmin, ymin, xmax, ymax."""
    left, top, right, bottom = edges(drawing)
    return left + 1, top + 1, right, bottom
