"""Image tokens from any vision encoder: which layer, which positions, how many after pooling.

Encoders come in two shapes. A transformer gives [N, tokens, F], perhaps with class or register tokens in front; a
convolutional one gives a map [N, F, h, w]. Both become [N, P, F] with P a square grid read row by row.
"""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoModel, PreTrainedConfig

from fgtrain.errors import UserError

from .projector import SHUFFLE

MOST_LEADING_TOKENS = 16  # class and register tokens that an encoder may put before its patches


@dataclass(frozen=True)
class VisionShape:
    """What an encoder gives for one image at one layer."""

    side: int  # its grid is side x side
    features: int  # F
    leading: int  # tokens before the patches (class, registers), to be left out
    is_map: bool = False  # a convolutional map [N, F, h, w], not tokens


def encoder_arguments(config: PreTrainedConfig) -> dict[str, Any]:
    """Constructor arguments that leave out a pooling head: nothing here reads it, and often it has no weights."""
    model_class = MODEL_MAPPING.get(type(config), None)
    known = inspect.signature(model_class.__init__).parameters if model_class is not None else {}
    return {"add_pooling_layer": False} if "add_pooling_layer" in known else {}


def hidden_state(encoder: nn.Module, pixels_NCHW: Tensor, layer: int) -> Tensor:
    """Hidden state `layer`: [N, tokens, F] or [N, F, h, w]. For a convolutional encoder -1 is its last feature map."""
    output = encoder(pixel_values=pixels_NCHW, output_hidden_states=True, return_dict=True)
    states = getattr(output, "hidden_states", None)
    if layer == -1 and (states is None or output.last_hidden_state.dim() == 4):
        return output.last_hidden_state
    count = len(states or ())
    if not -count <= layer < count:
        raise UserError(f"model.vision_layer is {layer}, but the encoder has hidden states {-count} to {count - 1}")
    return states[layer]


def image_tokens(state: Tensor, leading: int, pooled_side: int | None) -> Tensor:
    """[N, P, F] from a hidden state; averaged to pooled_side x pooled_side positions unless that is None."""
    if state.dim() == 4:
        map_NFhw = state
    else:
        patches_NPF = state[:, leading:]
        if pooled_side is None:
            return patches_NPF
        side = round(patches_NPF.shape[1] ** 0.5)
        map_NFhw = patches_NPF.transpose(1, 2).unflatten(2, (side, side))
    if pooled_side is not None and map_NFhw.shape[-1] != pooled_side:
        map_NFhw = F.adaptive_avg_pool2d(map_NFhw, pooled_side)
    return map_NFhw.flatten(2).transpose(1, 2)


def vision_shape(config: PreTrainedConfig, image_size: int, layer: int, place: str) -> VisionShape:
    """The shape of an encoder's tokens, found on the meta device: no weights are needed.

    Raises UserError (about `place`, the recipe's key) when the encoder cannot take images of that size or its tokens
    are no square grid.
    """
    with torch.device("meta"), torch.no_grad():
        encoder = AutoModel.from_config(config, **encoder_arguments(config)).eval()
        channels = getattr(config, "num_channels", 3)
        try:
            state = hidden_state(encoder, torch.zeros(1, channels, image_size, image_size), layer)
        except ValueError as error:
            own = getattr(config, "image_size", None)
            advice = f". Write image_size: {own}" if isinstance(own, int) and own != image_size else ""
            raise UserError(f"model.image_size is {image_size}, which {place} cannot take ({error}){advice}") from None
    if state.dim() == 4:
        _, features, height, width = state.shape
        if height != width:
            raise UserError(f"{place} gives a map of {height} x {width} positions; only square maps are known")
        return VisionShape(height, features, 0, is_map=True)
    _, tokens, features = state.shape
    leading = _leading_tokens(config, image_size, tokens)
    side = round((tokens - leading) ** 0.5)
    if side**2 != tokens - leading:
        raise UserError(
            f"{place} gives {tokens} tokens for {image_size} px; without {leading} leading tokens these are "
            f"{tokens - leading}, not a square ({side} x {side} = {side**2})"
        )
    return VisionShape(side, features, leading)


def patch_pixels(config: PreTrainedConfig, image_size: int, shape: VisionShape) -> int:
    """Pixels on a side of what one position of the encoder's grid covers."""
    own = getattr(config, "patch_size", None)
    return own if isinstance(own, int) and image_size // own == shape.side else image_size // shape.side


def _leading_tokens(config: PreTrainedConfig, image_size: int, tokens: int) -> int:
    """How many tokens stand before the patches: what is left when (image_size / patch_size)^2 patches are taken away.

    Counting needs no table of which encoder has a class token and how many registers; all put them in front.
    """
    patch = getattr(config, "patch_size", None)
    patch = patch[0] if isinstance(patch, list | tuple) else patch
    if not isinstance(patch, int):
        return 0
    leading = tokens - (image_size // patch) ** 2
    # An encoder that merges patches on its way (Swin) has fewer tokens than patches, and none before them.
    return leading if 0 <= leading <= MOST_LEADING_TOKENS else 0


def pooled_side(shape: VisionShape, chosen: int | None, place: str) -> int | None:
    """Side of the grid that `chosen` image tokens are pooled to, or None when nothing is to be pooled."""
    if chosen is None or chosen == shape.side**2:
        return None
    side = round(chosen**0.5)
    if side**2 != chosen or side > shape.side:
        raise UserError(
            f"model.image_tokens is {chosen}, but {place} gives {shape.side} x {shape.side} = {shape.side**2}. "
            f"Write a square up to that, or null"
        )
    return side


def shuffled_side(shape: VisionShape, chosen: int | None, place: str) -> int:
    """Side of the grid behind a pixel shuffle. UserError for a grid that it cannot halve, or other `chosen` tokens."""
    if shape.side % SHUFFLE:
        raise UserError(
            f"model.projector shuffles {SHUFFLE} x {SHUFFLE} positions into one, but {place} gives {shape.side} x "
            f"{shape.side}. Write another image_size, or projector: mlp2x_gelu"
        )
    side = shape.side // SHUFFLE
    if chosen not in (None, side**2):
        raise UserError(
            f"model.image_tokens is {chosen}, but a pixel shuffle makes {side} x {side} = {side**2} of what {place} "
            f"gives. Write image_tokens: null"
        )
    return side
