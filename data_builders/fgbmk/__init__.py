"""FG-BMK's human-oriented question files from the sources' test images."""

from .builder import BUILDER

__all__ = ["BUILDER"]
