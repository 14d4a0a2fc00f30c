"""Activation checkpointing: a layer keeps its input only and is computed again in the backward pass."""

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from fgtrain.errors import UserError


def layers_of(module: nn.Module) -> list[GradientCheckpointingLayer]:
    """The layers of a transformers model that can be computed again."""
    return [layer for layer in module.modules() if isinstance(layer, GradientCheckpointingLayer)]


def checkpoint_layers(decoder: nn.Module, encoder: nn.Module, wanted: bool) -> None:
    """Switch checkpointing of the decoder's layers, and of the vision encoder's where it has such. Gradients stay.

    UserError when the decoder has no layer that can be.
    """
    if wanted and not layers_of(decoder):
        raise UserError(
            f"devices.activation_checkpointing is true, but {type(decoder).__name__} has no layers for it. Write false"
        )
    for layer in layers_of(decoder) + layers_of(encoder):
        layer.gradient_checkpointing = wanted
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
