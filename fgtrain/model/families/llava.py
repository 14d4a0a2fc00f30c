"""LLaVA-1.5 and whatever else transformers' LLaVA class holds: a picture is one square."""

from typing import Any

import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration, PreTrainedConfig

from data_builders.shared.llava_as_published import published_fit
from fgtrain.images import ImageSpec, Square

from ..preprocessing import own_size, pixel_values
from ..vision import patch_pixels, vision_shape
from .family import Family, Processor, Wanted

LLAVA_PARTS = {
    "vision_encoder": ("model.vision_tower",),
    "projector": ("model.multi_modal_projector",),
    "language_model": ("model.language_model", "lm_head"),
}


def layers_of(config: PreTrainedConfig) -> list[int]:
    """The encoder's hidden states that are read, one behind the other in each token."""
    chosen = config.vision_feature_layer
    return [chosen] if isinstance(chosen, int) else list(chosen)


def layers_size(config: PreTrainedConfig) -> int:
    return config.vision_config.hidden_size * len(layers_of(config))


def chosen_layers(model: Any, pixels_NCHW: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """Hidden states, without the class token where the config says so."""
    output = model.model.vision_tower(pixels_NCHW, output_hidden_states=True, return_dict=True)
    first = 1 if model.config.vision_feature_select_strategy == "default" else 0
    return torch.cat([output.hidden_states[layer][:, first:] for layer in layers_of(model.config)], dim=-1)


def images(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    """A picture becomes a square as the official code makes it (`published_fit`), unless the recipe says otherwise."""
    wanted.refuse("max_tiles", "max_pixels")
    size = wanted.image_size or own_size(settings, wanted.place)
    shape = vision_shape(config.vision_config, size, layers_of(config)[0], "model.checkpoint")
    dropped = 1 if config.vision_feature_select_strategy == "default" else 0
    tokens = shape.side**2 + shape.leading - dropped
    values = pixel_values(settings, wanted.place) | {"fit": wanted.fit or published_fit(settings)}
    return Square(size=size, tokens=tokens, **values)


def processor(config: PreTrainedConfig, spec: ImageSpec) -> dict[str, Any]:
    shape = vision_shape(config.vision_config, spec.size, layers_of(config)[0], "the checkpoint")
    return {
        "processor_class": "LlavaProcessor",
        "vision_feature_select_strategy": config.vision_feature_select_strategy,
        "image_token": spec.token,
        "patch_size": patch_pixels(config.vision_config, spec.size, shape),
        "num_additional_image_tokens": shape.leading,
    }


LLAVA = Family(
    model_class=LlavaForConditionalGeneration,
    parts=LLAVA_PARTS,
    decoder="model.language_model",
    encode=chosen_layers,
    image_spec=images,
    feature_size=layers_size,
    processor=Processor(processor, image="CLIPImageProcessor"),
    chat=lambda tokenizer: "vicuna_v1",
)
