"""Qwen3-VL: as Qwen2-VL, and middle layers of the encoder speak to the decoder's first layers (DeepStack)."""

from typing import Any

import torch
from torch import Tensor
from transformers import Qwen3VLForConditionalGeneration

from ..tower_attention import run_tower
from .family import Family, Processor
from .qwen2_vl import QWEN_PARTS, images


def stacked_patches(model: Any, patches_NE: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """[1, tokens, D x (1 + layers)]: what the merger makes of the last layer, then of each middle one."""
    found = run_tower(model.model.visual, patches_NE, shapes_IK)
    return torch.cat([found.pooler_output, *found.deepstack_features], dim=-1)[None]


QWEN3_VL = Family(
    model_class=Qwen3VLForConditionalGeneration,
    parts=QWEN_PARTS
    | {
        "vision_encoder": ("model.visual.patch_embed", "model.visual.pos_embed", "model.visual.blocks"),
        "projector": ("model.visual.merger", "model.visual.deepstack_merger_list"),
    },
    decoder="model.language_model",
    encode=stacked_patches,
    image_spec=images,
    deepstack=True,
    processor=Processor(lambda config, spec: {"processor_class": "Qwen3VLProcessor"}, video="Qwen3VLVideoProcessor"),
    chat=lambda tokenizer: "qwen3_vl",
)
