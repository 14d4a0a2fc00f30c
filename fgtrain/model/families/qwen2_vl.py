"""Qwen2-VL: pictures in their own size, tokens with a place in time, height and width."""

from typing import Any

from torch import Tensor
from transformers import PreTrainedConfig, Qwen2VLForConditionalGeneration

from fgtrain.errors import UserError
from fgtrain.images import ImageSpec, Native

from ..preprocessing import pixel_values
from ..tower_attention import run_tower
from .family import Family, Processor, Wanted

DEFAULT_PIXELS = (56 * 56, 28 * 28 * 1280)
QWEN_PARTS = {
    "vision_encoder": ("model.visual.patch_embed", "model.visual.blocks"),
    "projector": ("model.visual.merger",),
    "language_model": ("model.language_model", "lm_head"),
}


def merged_patches(model: Any, patches_NE: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """[1, tokens, D]: encoder and merger run as one."""
    return run_tower(model.model.visual, patches_NE, shapes_IK).pooler_output[None]


def images(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    wanted.refuse("max_tiles")
    if wanted.image_size is not None:
        raise UserError(
            f"model.image_size is {wanted.image_size}, but {wanted.place} takes pictures in their own size. Leave it "
            f"out, and limit them by model.max_pixels"
        )
    sizes = settings.get("size") or {}
    fewest = settings.get("min_pixels") or sizes.get("shortest_edge") or DEFAULT_PIXELS[0]
    most = wanted.max_pixels or settings.get("max_pixels") or sizes.get("longest_edge") or DEFAULT_PIXELS[1]
    vision = config.vision_config
    unit = vision.patch_size * vision.spatial_merge_size
    if most < unit**2:
        raise UserError(f"model.max_pixels is {most}, which is less than one image token. Write {unit**2} or more")
    return Native(
        patch=vision.patch_size,
        merge=vision.spatial_merge_size,
        frames=vision.temporal_patch_size,
        min_pixels=min(fewest, most),
        max_pixels=most,
        before=("<|vision_start|>",),
        after=("<|vision_end|>",),
        **pixel_values(settings, wanted.place),
    )


QWEN2_VL = Family(
    model_class=Qwen2VLForConditionalGeneration,
    parts=QWEN_PARTS,
    decoder="model.language_model",
    encode=merged_patches,
    image_spec=images,
    processor=Processor(lambda config, spec: {"processor_class": "Qwen2VLProcessor"}, video="Qwen2VLVideoProcessor"),
    chat=lambda tokenizer: "qwen2_5_vl",
)
