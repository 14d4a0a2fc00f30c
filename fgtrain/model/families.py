"""The one table of model families: which module is which part, and how images become features in each.

A new family is one more entry of `FAMILIES`, and one more file in fgtrain/images where its pictures are made otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import (
    InternVLForConditionalGeneration,
    LlavaForConditionalGeneration,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2_5_VLForConditionalGeneration,
)

from fgtrain.errors import UserError
from fgtrain.images import ImageSpec
from fgtrain.recipe.model_schema import Model

from . import family_features as features
from . import family_images as images
from .composed import ComposedLVLM
from .family_images import Wanted
from .sources import Source

PARTS = ("vision_encoder", "projector", "language_model")


@dataclass(frozen=True)
class Family:
    """Attribute paths into the model. A part may be several modules (a decoder and its lm_head) or parameters."""

    model_class: type[PreTrainedModel]
    parts: dict[str, tuple[str, ...]]
    decoder: str  # gives last_hidden_state from inputs_embeds
    encode: Callable[[Any, Tensor, Tensor | None], Tensor]  # (model, pixels_NCHW, shapes_IK) -> features_NPF
    image_spec: Callable[[PreTrainedConfig, dict, Wanted], ImageSpec]  # (config, image processor's settings, recipe's)
    feature_size: Callable[[PreTrainedConfig], int] | None = None  # F; None: features come from the projector already
    # (model, projected image tokens [N, P, D], shapes_IK) -> the tokens of all pictures [tokens, D], as they are read
    arrange: Callable[[Any, Tensor, Tensor | None], Tensor] | None = None
    chat: Callable[[Any], str] = lambda tokenizer: "qa"  # of a released checkpoint, unless the recipe names one


LLAVA_PARTS = {
    "vision_encoder": ("model.vision_tower",),
    "projector": ("model.multi_modal_projector",),
    "language_model": ("model.language_model", "lm_head"),
}


def _internvl_chat(tokenizer: Any) -> str:
    """InternVL-2.5 says a system message of its own; the later ones none."""
    return "internvl2_5" if "书生" in str(tokenizer.chat_template or "") else "internvl3"


FAMILIES = {
    "fgtrain_composed": Family(
        model_class=ComposedLVLM,
        parts={
            "vision_encoder": ("vision_encoder",),
            "projector": ("projector",),
            "language_model": ("language_model",),
        },
        decoder="language_model.base_model",
        encode=lambda model, pixels_NCHW, shapes_IK: model.encode_images(pixels_NCHW),
        image_spec=images.composed,
        feature_size=lambda config: config.feature_size,
    ),
    "llava": Family(
        model_class=LlavaForConditionalGeneration,
        parts=LLAVA_PARTS,
        decoder="model.language_model",
        encode=features.chosen_layers,
        image_spec=images.llava,
        feature_size=features.layers_size,
    ),
    "llava_onevision": Family(
        model_class=LlavaOnevisionForConditionalGeneration,
        parts=LLAVA_PARTS | {"projector": ("model.multi_modal_projector", "model.image_newline")},
        decoder="model.language_model",
        encode=features.chosen_layers,
        image_spec=images.llava_onevision,
        feature_size=features.layers_size,
        arrange=features.onevision_tokens,
        chat=lambda tokenizer: "llava_onevision",
    ),
    "internvl": Family(
        model_class=InternVLForConditionalGeneration,
        parts=LLAVA_PARTS,
        decoder="model.language_model",
        encode=features.shuffled,
        image_spec=images.internvl,
        feature_size=features.shuffled_size,
        chat=_internvl_chat,
    ),
    "qwen2_5_vl": Family(
        model_class=Qwen2_5_VLForConditionalGeneration,
        parts={
            "vision_encoder": ("model.visual.patch_embed", "model.visual.blocks"),
            "projector": ("model.visual.merger",),
            "language_model": ("model.language_model", "lm_head"),
        },
        decoder="model.language_model",
        encode=features.merged_patches,
        image_spec=images.qwen2_5_vl,
        chat=lambda tokenizer: "qwen2_5_vl",
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


def released_images(source: Source, config: PreTrainedConfig, model: Model | None = None) -> ImageSpec:
    """How a released checkpoint's pictures become its inputs, with what the recipe changes of it."""
    family = family_of(config, source.place)
    settings = source.preprocessor()
    place = f"{source.place} {source.value}: preprocessor_config.json"
    if settings is None:
        raise UserError(f"{place} is missing, so how it wants its pixels is unknown. Copy it from the original model")
    keys = {key: getattr(model, key, None) for key in ("image_size", "max_tiles", "max_pixels")}
    return family.image_spec(config, settings, Wanted(**keys, place=place))


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
    """The module at an attribute path; a lone parameter comes in a list. RuntimeError says what is there instead."""
    found: Any = model
    for name in path.split("."):
        inside = getattr(found, name, None)
        if isinstance(inside, nn.Parameter):
            inside = nn.ParameterList([inside])
        if not isinstance(inside, nn.Module):
            there = ", ".join(child for child, _ in found.named_children()) or "nothing"
            raise RuntimeError(
                f"{type(model).__name__} has no module {path!r}: this version of it is not known here. Where {name!r} "
                f"was looked for there is: {there}"
            )
        found = inside
    return found
