"""Gemma-3: a picture is one square of pooled tokens, which see each other both ways."""

from typing import Any

from torch import Tensor
from transformers import Gemma3ForConditionalGeneration, PreTrainedConfig

from fgtrain.images import ImageSpec, Square

from ..preprocessing import pixel_values
from .family import Family, Processor, Wanted
from .llava import LLAVA_PARTS


def last_layer(model: Any, pixels_NCHW: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """Every patch; the projector pools them."""
    return model.model.vision_tower(pixel_values=pixels_NCHW).last_hidden_state


def images(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    """Pictures are resized to a square. The crops of pan and scan, which are off unless asked for, are not made."""
    wanted.refuse("max_tiles", "max_pixels")
    size = config.vision_config.image_size
    wanted.same_size(size)
    return Square(
        size=size,
        tokens=config.mm_tokens_per_image,
        # Line breaks are part of what its processor writes around a picture.
        before=("\n\n", "<start_of_image>"),
        after=("<end_of_image>", "\n\n"),
        **pixel_values(settings, wanted.place),
    )


GEMMA3 = Family(
    model_class=Gemma3ForConditionalGeneration,
    parts=LLAVA_PARTS,
    decoder="model.language_model",
    encode=last_layer,
    image_spec=images,
    feature_size=lambda config: config.vision_config.hidden_size,
    feature_tokens=lambda config: (config.vision_config.image_size // config.vision_config.patch_size) ** 2,
    joined_images=True,
    processor=Processor(
        lambda config, spec: {"processor_class": "Gemma3Processor", "image_seq_length": spec.tokens},
        image="Gemma3ImageProcessor",
        picture=lambda spec: "<start_of_image>",
    ),
    chat=lambda tokenizer: "gemma3",
)
