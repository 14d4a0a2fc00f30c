"""LLaVA-NeXT (LLaVA-1.6): every picture whole and in squares, as LLaVA-OneVision's, on LLaVA-1.5's encoder."""

from typing import Any

import torch
from torch import Tensor
from transformers import LlavaNextForConditionalGeneration, PreTrainedConfig

from fgtrain.images import AnyRes, ImageSpec

from ..preprocessing import pixel_values
from ..vision import patch_pixels, vision_shape
from .family import Family, Processor, Wanted
from .llava import LLAVA_PARTS, chosen_layers, layers_of, layers_size


def put_together(model: Any, embeds_NPD: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """Each picture whole, then its squares put together, black left out, rows ended by a break."""
    assert shapes_IK is not None
    pictures = torch.split(embeds_NPD, shapes_IK[:, 0].tolist())
    how = {"vision_feature_select_strategy": model.config.vision_feature_select_strategy}
    newline = model.model.image_newline
    return torch.cat(model.model.pack_image_features(pictures, shapes_IK[:, 1:], image_newline=newline, **how)[0])


def images(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    """Whatever the settings say of cropping, squares are whole: they are as large as the encoder's pictures."""
    wanted.refuse("max_tiles", "max_pixels")
    size = config.vision_config.image_size
    wanted.same_size(size)
    shape = vision_shape(config.vision_config, size, layers_of(config)[0], "model.checkpoint")
    return AnyRes(
        size=size,
        tokens=shape.side**2,
        side=shape.side,
        resolutions=tuple((high, wide) for high, wide in config.image_grid_pinpoints),
        max_squares=None,
        processor="LlavaNextImageProcessor",
        **pixel_values(settings, wanted.place),
    )


def processor(config: PreTrainedConfig, spec: ImageSpec) -> dict[str, Any]:
    shape = vision_shape(config.vision_config, spec.size, layers_of(config)[0], "the checkpoint")
    return {
        "processor_class": "LlavaNextProcessor",
        "vision_feature_select_strategy": config.vision_feature_select_strategy,
        "image_token": spec.token,
        "patch_size": patch_pixels(config.vision_config, spec.size, shape),
        "num_additional_image_tokens": shape.leading,
    }


LLAVA_NEXT = Family(
    model_class=LlavaNextForConditionalGeneration,
    parts=LLAVA_PARTS | {"projector": ("model.multi_modal_projector", "model.image_newline")},
    decoder="model.language_model",
    encode=chosen_layers,
    image_spec=images,
    feature_size=layers_size,
    arrange=put_together,
    processor=Processor(processor),
    chat=lambda tokenizer: "vicuna_v1",
)
