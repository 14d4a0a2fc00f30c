"""Composed models that transformers has a class for become that class: any program that knows it opens them.

LLaVA's class takes a transformer encoder with at most one token before its patches and two linear layers; InternVL's
takes an InternViT and two linear layers behind a pixel shuffle. What fits neither is a ComposedLVLM.
"""

from typing import Any

import torch
from torch import nn
from transformers import (
    MODEL_MAPPING,
    AutoModelForCausalLM,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedConfig,
    PreTrainedModel,
)

from fgtrain.images import ImageSpec, Square, Tiles

from .composed import ComposedConfig, ComposedLVLM
from .families import family_of, submodule
from .families.internvl import side_of
from .projector import SHUFFLE
from .vision import VisionShape, patch_pixels
from .vocabulary import image_token_id

PROJECTORS = {"mlp2x_gelu": "llava", "pixel_shuffle_mlp2x_gelu": "internvl"}


def native_type(config: ComposedConfig, shape: VisionShape) -> str | None:
    """The model_type of transformers' class for these parts ("llava", "internvl"), or None. `shape`: the encoder's."""
    text, vision = config.text_config, config.vision_config
    chosen = PROJECTORS.get(config.projector)
    common = (
        chosen is not None
        and config.projector_width in (None, text.hidden_size)
        and config.pooled_side is None
        and not shape.is_map
        and shape.leading <= 1
        and config.vision_layer != 0  # both classes take a 0 for "no hidden states wanted"
        and _stands_alone(text)
    )
    if not common:
        return None
    if chosen == "llava":
        fits = getattr(vision, "hidden_size", None) == shape.features
        # LLaVA's processor divides pixels by the size of a patch to know how many tokens a picture has.
        return (
            chosen
            if fits and config.image_size // patch_pixels(vision, config.image_size, shape) == shape.side
            else None
        )
    # InternVL's config builds no other encoder, and behind its last layer it reads what a final norm has made.
    fits = vision.model_type == "internvl_vision" and (vision.use_mean_pooling or config.vision_layer != -1)
    return chosen if fits and side_of(vision.image_size) == config.image_size else None


def _stands_alone(text: PreTrainedConfig) -> bool:
    """Is the language model its decoder and an `lm_head` without bias? The native classes know nothing else."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(text)
    modules = dict(model.named_children())
    if modules.keys() != {"model", "lm_head"}:
        return False
    head, decoder = modules["lm_head"], modules["model"]
    return (
        isinstance(head, nn.Linear)
        and head.bias is None
        and head.weight.shape == (text.vocab_size, text.hidden_size)
        and type(decoder) is MODEL_MAPPING.get(type(text), None)
        and decoder.get_input_embeddings() is getattr(decoder, "embed_tokens", None)
    )


def native_config(kind: str, config: ComposedConfig, tokenizer: Any | None) -> PreTrainedConfig:
    """The native config; its image token is the tokenizer's (`add_image_tokens` comes first; without one, token 0)."""
    common = {
        "vision_config": config.vision_config,
        "text_config": config.text_config,
        "image_seq_length": config.image_tokens,
        "vision_feature_layer": config.vision_layer,
        "vision_feature_select_strategy": "default" if config.leading_tokens else "full",
        "projector_hidden_act": "gelu",
        "tie_word_embeddings": bool(getattr(config.text_config, "tie_word_embeddings", False)),
    }
    image = image_token_id(tokenizer, kind) if tokenizer is not None else 0
    if kind == "llava":
        return LlavaConfig(**common, image_token_index=image)
    return InternVLConfig(**common, image_token_id=image, downsample_ratio=1 / SHUFFLE)


def native_images(kind: str, square: Square, max_tiles: int) -> ImageSpec:
    """How the native class wants its pictures: InternVL's as tiles, between two tokens."""
    if kind == "llava":
        return square
    values = {key: getattr(square, key) for key in ("size", "tokens", "mean", "std", "resample")}
    return Tiles(**values, max_tiles=max_tiles, before=("<img>",), after=("</img>",))


def native_model(config: PreTrainedConfig) -> PreTrainedModel:
    """A model of the native class, its weights drawn (or on whichever device torch is told to build)."""
    return (LlavaForConditionalGeneration if config.model_type == "llava" else InternVLForConditionalGeneration)(config)


def assemble_native(
    config: PreTrainedConfig, vision_encoder: nn.Module, language_model: PreTrainedModel
) -> PreTrainedModel:
    """The native model around two built parts; its projector is on the meta device, to be drawn."""
    with torch.device("meta"):
        model = native_model(config)
    _complete(vision_encoder, model.model.vision_tower)
    model.model.vision_tower = vision_encoder
    model.model.language_model = language_model.model
    model.lm_head = language_model.lm_head
    model.generation_config = language_model.generation_config
    return model


def language_model_of(model: PreTrainedModel) -> PreTrainedModel:
    """The causal language model inside a composed or native model, by itself; its tensors are shared."""
    if isinstance(model, ComposedLVLM):
        return model.language_model
    with torch.device("meta"):
        alone = AutoModelForCausalLM.from_config(model.config.text_config)
    alone.model, alone.lm_head = submodule(model, family_of(model.config).decoder), model.lm_head
    alone.generation_config = model.generation_config
    return alone


def _complete(encoder: nn.Module, native: nn.Module) -> None:
    """Give the encoder the pooling head that the native class builds and nothing reads: zeros, for want of weights."""
    for name, module in native.named_children():
        if getattr(encoder, name, None) is None:
            module = module.to_empty(device=next(encoder.parameters()).device)
            for tensor in module.state_dict().values():
                tensor.zero_()
            setattr(encoder, name, module)
