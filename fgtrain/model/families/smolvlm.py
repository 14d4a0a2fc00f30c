"""SmolVLM, SmolVLM2 and Idefics3: squares of a picture that is scaled up, and the whole, each named in the text."""

from typing import Any

import torch
from torch import Tensor
from transformers import Idefics3ForConditionalGeneration, PreTrainedConfig, SmolVLMForConditionalGeneration

from fgtrain.errors import UserError
from fgtrain.images import ImageSpec, Split

from ..preprocessing import pixel_values
from .family import Family, Processor, Wanted

PARTS = {
    "vision_encoder": ("model.vision_model",),
    "projector": ("model.connector",),
    "language_model": ("model.text_model", "lm_head"),
}


def last_layer(model: Any, pixels_NCHW: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """Every patch; the projector puts neighbours into one token.

    The parts of the encoder's own forward pass, which would look at each pixel for what is padding: here none is.
    """
    encoder = model.model.vision_model
    side = pixels_NCHW.shape[-1] // encoder.patch_size
    whole = torch.ones(len(pixels_NCHW), side, side, dtype=torch.bool, device=pixels_NCHW.device)
    embedded = encoder.embeddings(pixel_values=pixels_NCHW, patch_attention_mask=whole)
    return encoder.post_layernorm(encoder.encoder(inputs_embeds=embedded, attention_mask=None).last_hidden_state)


def patches(config: PreTrainedConfig) -> int:
    return (config.vision_config.image_size // config.vision_config.patch_size) ** 2


def images(config: PreTrainedConfig, settings: dict, wanted: Wanted) -> ImageSpec:
    wanted.refuse("max_pixels")
    size = config.vision_config.image_size
    wanted.same_size(size)
    if wanted.max_tiles not in (None, 1):
        raise UserError(
            f"model.max_tiles is {wanted.max_tiles}, but {wanted.place} cuts pictures by their longer side. Leave it "
            f"out, or write max_tiles: 1 for the whole picture alone"
        )
    square, longest = (settings.get(key, {}).get("longest_edge") for key in ("max_image_size", "size"))
    if square != size or not longest:
        raise UserError(
            f"{wanted.place} has max_image_size {square} and size {longest} (longest_edge), but the encoder takes "
            f"{size} px. Copy it from the original model"
        )
    return Split(
        size=size,
        tokens=int(patches(config) / config.scale_factor**2),
        longest=longest,
        cut=settings.get("do_image_splitting", True) and wanted.max_tiles is None,
        processor=settings.get("image_processor_type", "SmolVLMImageProcessor"),
        **pixel_values({"resample": 1, **settings}, wanted.place),
    )


def _family(model_class: type, name: str, video: str | None) -> Family:
    return Family(
        model_class=model_class,
        parts=PARTS,
        decoder="model.text_model",
        encode=last_layer,
        image_spec=images,
        feature_size=lambda config: config.vision_config.hidden_size,
        feature_tokens=patches,
        processor=Processor(
            lambda config, spec: {"processor_class": f"{name}Processor", "image_seq_len": spec.tokens},
            video=video,
            picture=lambda spec: spec.token,
        ),
        chat=lambda tokenizer: "smolvlm",
    )


SMOLVLM = _family(SmolVLMForConditionalGeneration, "SmolVLM", "SmolVLMVideoProcessor")
IDEFICS3 = _family(Idefics3ForConditionalGeneration, "Idefics3", None)  # SmolVLM's first release is of this class
