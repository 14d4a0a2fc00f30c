"""`mosaic`: N x N collages of training images; the question asks what is in them, the answer names every tile.

A row stores its tiles, not a picture: `compose` puts them together when the row is loaded, in an order drawn anew each
pass, and `answer_in_order` gives the answer that belongs to that order.
"""

from .answer import answer_in_order
from .builder import BUILDER, MosaicOptions
from .picture import compose, open_tile

__all__ = ["BUILDER", "MosaicOptions", "answer_in_order", "compose", "open_tile"]
