"""The last layer where it is looked at: what comes behind its attention runs at supervised positions only.

Image tokens and questions are read by what follows them, in the attention of each layer. Behind the last attention
nothing reads them, so there is no need of their output projection and feed-forward, nor of the gradients of both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .activation_checkpointing import layers_of


@contextmanager
def last_layer_only_at(decoder: nn.Module, places_S: Tensor) -> Iterator[None]:
    """While it is open, the decoder's last hidden states [B, T, D] are right at `places_S` of B x T, and nothing else
    is promised. A decoder whose last layer has other parts than are known here runs as ever.
    """
    handles = []
    for part in _behind_attention(decoder):
        shape: list[torch.Size] = []

        def narrow(module: nn.Module, given: tuple, shape: list[torch.Size] = shape) -> tuple:
            (hidden_BTD,) = given
            shape[:] = [hidden_BTD.shape]
            return (hidden_BTD.flatten(0, 1).index_select(0, places_S),)

        def widen(module: nn.Module, given: Any, made_SD: Tensor, shape: list[torch.Size] = shape) -> Tensor:
            B, T, _ = shape[0]
            wide = made_SD.new_zeros(B * T, made_SD.shape[-1])
            return wide.index_copy(0, places_S, made_SD).view(B, T, -1)

        handles += [part.register_forward_pre_hook(narrow), part.register_forward_hook(widen)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _behind_attention(decoder: nn.Module) -> list[nn.Module]:
    """The last layer's output projection and feed-forward, where both are called as in Llama; else nothing."""
    layers = layers_of(decoder)
    if not layers:
        return []
    last = layers[-1]
    parts = [getattr(getattr(last, "self_attn", None), "o_proj", None), getattr(last, "mlp", None)]
    plain = all(part is not None for part in parts) and hasattr(parts[1], "down_proj")  # experts have none
    return parts if plain else []
