"""Qwen2.5-VL: Qwen2-VL whose encoder attends within windows."""

from transformers import Qwen2_5_VLForConditionalGeneration

from .family import Family, Processor
from .qwen2_vl import QWEN_PARTS, images, merged_patches

QWEN2_5_VL = Family(
    model_class=Qwen2_5_VLForConditionalGeneration,
    parts=QWEN_PARTS,
    decoder="model.language_model",
    # The encoder puts windows back in order behind the merger, so both run as one.
    encode=merged_patches,
    image_spec=images,
    processor=Processor(lambda config, spec: {"processor_class": "Qwen2_5_VLProcessor"}, video="Qwen2VLVideoProcessor"),
    chat=lambda tokenizer: "qwen2_5_vl",
)
