"""What the vision encoder of each family makes of its pixels, up to what its projector reads."""

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig


def layers_of(config: PreTrainedConfig) -> list[int]:
    """The encoder's hidden states that are read, one behind the other in each token."""
    chosen = config.vision_feature_layer
    return [chosen] if isinstance(chosen, int) else list(chosen)


def layers_size(config: PreTrainedConfig) -> int:
    return config.vision_config.hidden_size * len(layers_of(config))


def chosen_layers(model: Any, pixels_NCHW: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """LLaVA's: hidden states, without the class token where the config says so."""
    output = model.model.vision_tower(pixels_NCHW, output_hidden_states=True, return_dict=True)
    first = 1 if model.config.vision_feature_select_strategy == "default" else 0
    return torch.cat([output.hidden_states[layer][:, first:] for layer in layers_of(model.config)], dim=-1)


def onevision_tokens(model: Any, embeds_NPD: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """LLaVA-OneVision's: each picture whole, then its squares put together, black left out, rows ended by a break."""
    assert shapes_IK is not None
    pictures = torch.split(embeds_NPD, shapes_IK[:, 0].tolist())
    sizes, aspect = shapes_IK[:, 1:], model.config.vision_aspect_ratio
    newline = model.model.image_newline
    return torch.cat(model.model.pack_image_features(pictures, sizes, newline, vision_aspect_ratio=aspect)[0])


def shuffled(model: Any, pixels_NCHW: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """InternVL's: the patches of a layer, neighbours put into one token (pixel shuffle)."""
    config, layer = model.config, model.config.vision_feature_layer
    output = model.model.vision_tower(pixel_values=pixels_NCHW, output_hidden_states=layer != -1, return_dict=True)
    state = output.last_hidden_state if layer == -1 else output.hidden_states[layer]
    patches_NPF = state[:, 1:] if config.vision_feature_select_strategy == "default" else state
    side = round(patches_NPF.shape[1] ** 0.5)
    grid = patches_NPF.unflatten(1, (side, side))
    return model.model.pixel_shuffle(grid, scale_factor=config.downsample_ratio).flatten(1, 2)


def shuffled_size(config: PreTrainedConfig) -> int:
    return config.vision_config.hidden_size * int(1 / config.downsample_ratio) ** 2


def merged_patches(model: Any, patches_NE: Tensor, shapes_IK: Tensor | None) -> Tensor:
    """Qwen2.5-VL's, [1, tokens, D]: its encoder puts windows back in order behind the merger, so both run as one."""
    return model.model.visual(patches_NE, grid_thw=shapes_IK).pooler_output[None]
