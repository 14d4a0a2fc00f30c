"""LLaVA-OneVision: a picture whole and, beside that, in squares put together again, black left out."""

from typing import Any

import torch
from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration, PreTrainedConfig

from fgtrain.errors import UserError
from fgtrain.images import AnyRes, ImageSpec

from ..preprocessing import pixel_values
from .family import Family, Processor, Wanted
from .llava import LLAVA_PARTS, chosen_layers, layers_size


def put_together(model: Any, embeds_NPD: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """Each picture whole, then its squares put together, black left out, rows ended by a break."""
    assert shapes_IK is not None
    pictures = torch.split(embeds_NPD, shapes_IK[:, 0].tolist())
    sizes, aspect = shapes_IK[:, 1:], model.config.vision_aspect_ratio
    newline = model.model.image_newline
    return torch.cat(model.model.pack_image_features(pictures, sizes, newline, vision_aspect_ratio=aspect)[0])


def images(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    wanted.refuse("max_tiles", "max_pixels")
    size = config.vision_config.image_size
    wanted.same_size(size)
    side = size // config.vision_config.patch_size
    if config.vision_feature_select_strategy != "full":
        raise UserError(
            f"{wanted.place}: vision_feature_select_strategy is {config.vision_feature_select_strategy!r}, with which "
            f"squares of patches are not whole. Only 'full' is known"
        )
    return AnyRes(
        size=size,
        tokens=side**2,
        side=side,
        resolutions=tuple((high, wide) for high, wide in config.image_grid_pinpoints),
        max_squares=int(config.vision_aspect_ratio.removeprefix("anyres_max_")),
        **pixel_values(settings, wanted.place),
    )


def processor(config: PreTrainedConfig, spec: ImageSpec) -> dict[str, Any]:
    return {
        "processor_class": "LlavaOnevisionProcessor",
        "vision_feature_select_strategy": config.vision_feature_select_strategy,
        "image_token": spec.token,
        "num_image_tokens": spec.tokens,
        "vision_aspect_ratio": config.vision_aspect_ratio,
    }


LLAVA_ONEVISION = Family(
    model_class=LlavaOnevisionForConditionalGeneration,
    parts=LLAVA_PARTS | {"projector": ("model.multi_modal_projector", "model.image_newline")},
    decoder="model.language_model",
    encode=chosen_layers,
    image_spec=images,
    feature_size=layers_size,
    arrange=put_together,
    processor=Processor(processor, video="LlavaOnevisionVideoProcessor"),
    chat=lambda tokenizer: "llava_onevision",
)
