"""From training sets on disk to packed batches: order, tokens, pictures, cached features, and where a stage stopped."""

from .chat import encode_options, encode_prompt, encode_row, show_mask
from .datamodule import StageData
from .features import FeatureCache
from .image import ImageRef, render
from .mixture import stage_order

__all__ = [
    "FeatureCache",
    "ImageRef",
    "StageData",
    "encode_options",
    "encode_prompt",
    "encode_row",
    "render",
    "show_mask",
    "stage_order",
]
