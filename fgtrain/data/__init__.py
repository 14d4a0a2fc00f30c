"""From training sets on disk to packed batches: order, tokens, pictures, cached features, and where a stage stopped.

`datamodule.StageData` is all of it for one stage; it is Lightning's, which takes a second to import."""

from .chat import encode_options, encode_prompt, encode_row, show_mask
from .features import FeatureCache
from .image import ImageRef, render
from .mixture import stage_order

__all__ = [
    "FeatureCache",
    "ImageRef",
    "encode_options",
    "encode_prompt",
    "encode_row",
    "render",
    "show_mask",
    "stage_order",
]
