"""FG-BMK's human-oriented question files from the sources' test images."""

from .command import BUILDER

__all__ = ["BUILDER"]
