"""The one table of model families: which module is which part, and how images become features in each.

A new family is one more entry of `FAMILIES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlavaForConditionalGeneration, PreTrainedConfig, PreTrainedModel

from fgtrain.errors import UserError

from .composed import ComposedLVLM
from .vision import vision_shape

PARTS = ("vision_encoder", "projector", "language_model")


@dataclass(frozen=True)
class Family:
    """Attribute paths into the model. A part may be several modules (a decoder and its lm_head)."""

    model_class: type[PreTrainedModel]
    parts: dict[str, tuple[str, ...]]
    decoder: str  # gives last_hidden_state from inputs_embeds
    encode: Callable[[Any, Tensor], Tensor]  # (model, pixels_NCHW) -> features_NPF
    image_tokens: Callable[[PreTrainedConfig, int], int]  # (config, image_size) -> P
    feature_size: Callable[[PreTrainedConfig], int]  # F


def _composed_decoder_features(model: ComposedLVLM, pixels_NCHW: Tensor) -> Tensor:
    return model.encode_images(pixels_NCHW)


def _composed_image_tokens(config: PreTrainedConfig, image_size: int) -> int:
    if image_size != config.image_size:
        raise UserError(
            f"model.image_size is {image_size}, but model.checkpoint was composed for {config.image_size} px. Write "
            f"image_size: {config.image_size}, or leave it out"
        )
    return config.image_tokens


def _llava_layers(config: PreTrainedConfig) -> list[int]:
    chosen = config.vision_feature_layer
    return [chosen] if isinstance(chosen, int) else list(chosen)


def _llava_features(model: LlavaForConditionalGeneration, pixels_NCHW: Tensor) -> Tensor:
    output = model.model.vision_tower(pixels_NCHW, output_hidden_states=True, return_dict=True)
    first = 1 if model.config.vision_feature_select_strategy == "default" else 0
    return torch.cat([output.hidden_states[layer][:, first:] for layer in _llava_layers(model.config)], dim=-1)


def _llava_image_tokens(config: PreTrainedConfig, image_size: int) -> int:
    shape = vision_shape(config.vision_config, image_size, _llava_layers(config)[0], "model.checkpoint")
    dropped = 1 if config.vision_feature_select_strategy == "default" else 0
    return shape.side**2 + shape.leading - dropped


FAMILIES = {
    "fgtrain_composed": Family(
        model_class=ComposedLVLM,
        parts={
            "vision_encoder": ("vision_encoder",),
            "projector": ("projector",),
            "language_model": ("language_model",),
        },
        decoder="language_model.base_model",
        encode=_composed_decoder_features,
        image_tokens=_composed_image_tokens,
        feature_size=lambda config: config.feature_size,
    ),
    "llava": Family(
        model_class=LlavaForConditionalGeneration,
        parts={
            "vision_encoder": ("model.vision_tower",),
            "projector": ("model.multi_modal_projector",),
            "language_model": ("model.language_model", "lm_head"),
        },
        decoder="model.language_model",
        encode=_llava_features,
        image_tokens=_llava_image_tokens,
        feature_size=lambda config: config.vision_config.hidden_size * len(_llava_layers(config)),
    ),
}


def family_of(config: PreTrainedConfig, place: str = "model.checkpoint") -> Family:
    """The family of a config. UserError lists the known ones."""
    family = FAMILIES.get(config.model_type)
    if family is None:
        known = ", ".join(sorted(FAMILIES))
        raise UserError(
            f"{place} has model_type {config.model_type!r}, a family that is not known here. Known are: {known}"
        )
    return family


def find_parts(model: PreTrainedModel, family: Family) -> dict[str, nn.Module]:
    """Part -> its module, or a ModuleList of its modules. A part not found, or that overlaps another, is an error.

    Shared tensors (tied embeddings) stay inside the language model and count once.
    """
    parts: dict[str, nn.Module] = {}
    for part, paths in family.parts.items():
        modules = [submodule(model, path) for path in paths]
        parts[part] = modules[0] if len(modules) == 1 else nn.ModuleList(modules)
    owner: dict[int, str] = {}
    for part, module in parts.items():
        for parameter in module.parameters():
            if owner.setdefault(id(parameter), part) != part:
                raise RuntimeError(f"{part} and {owner[id(parameter)]} share parameters")
    stray = [name for name, parameter in model.named_parameters() if id(parameter) not in owner]
    if stray:
        raise RuntimeError(f"these parameters belong to no part: {', '.join(stray[:8])}")
    return parts


def submodule(model: nn.Module, path: str) -> nn.Module:
    """The module at an attribute path."""
    found: Any = model
    for name in path.split("."):
        found = getattr(found, name, None)
        if not isinstance(found, nn.Module):
            raise RuntimeError(f"{type(model).__name__} has no module {path!r}: this version of it is not known here")
    return found
