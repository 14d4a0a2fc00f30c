"""Attention over packed rows without a mask of the whole row.

A row is block-diagonal: a token sees its own sample only, of it the prefix and its own branch. How that is computed is
chosen once from device, type and model (attention_choice) and done by attend. Either way a micro-batch is one long row
without padding.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from fgtrain.batch import Batch, additive_mask_B1TT, joined_runs
from fgtrain.errors import UserError

from .attend import attend
from .attention_choice import dense_because, way_of
from .packed_rows import PackedRows

PACKED = "fgtrain_packed"  # the name under which transformers' models find it
UNKNOWN = ("softcap", "s_aux", "position_bias")  # what some models ask of attention, and no way here computes


def mask_dtype(embeds: Tensor) -> torch.dtype:
    """The type attention will run in: a mask of a wider type would overflow when it is narrowed."""
    device = embeds.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else embeds.dtype


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    dropout: float = 0.0,
    scaling: float | None = None,
    packed_rows: PackedRows | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' attention function: [B, heads, T, d] of query, key and value to [B, T, heads, d].

    Without `packed_rows` it is transformers' own SDPA under the given mask (generation).
    """
    if packed_rows is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, sliding_window=sliding_window, **kwargs
        )
    if asked := [name for name in UNKNOWN if kwargs.get(name) is not None]:
        raise RuntimeError(f"{type(module).__name__} asks attention for {', '.join(asked)}, which is not known here")
    return attend(query, key, value, packed_rows, dropout, scaling, sliding_window), None


# What transformers makes masks of where it is asked to (generation): as for SDPA.
AttentionInterface.register(PACKED, packed_attention)
AttentionMaskInterface.register(PACKED, sdpa_mask)


def use_packed_attention(decoder: PreTrainedModel) -> None:
    """Let a decoder that would run SDPA run this. One that it cannot compute stays with a dense mask."""
    if decoder.config._attn_implementation != "sdpa":
        return
    if not dense_because(decoder):
        decoder.set_attn_implementation(PACKED)
    elif decoder._supports_attention_backend:
        decoder.set_attn_implementation("eager")  # what asks for more than SDPA would be refused by it, or left out


def why_dense(decoder: PreTrainedModel) -> str:
    """Why a decoder's attention runs under a dense mask; "" where it is packed."""
    return "" if decoder.config._attn_implementation == PACKED else dense_because(decoder)


def attention_arguments(
    decoder: PreTrainedModel, batch: Batch, dtype: torch.dtype, wanted: str, joined: bool = False
) -> dict[str, Any]:
    """What the decoder's forward pass is called with beside embeddings and positions, made once a batch.

    `dtype`: in which attention will run (`mask_dtype`); `wanted`: the recipe's devices.attention; `joined`: do image
    tokens see those of their picture that follow? UserError where that way cannot compute it, or a dense mask would
    not do.
    """
    config = decoder.config
    way = way_of(decoder, why_dense(decoder), batch.sample_id_BT.device, dtype, wanted)
    pictures_BT = joined_runs(batch.is_image_BT) if joined else None
    rows = PackedRows(batch.sample_id_BT, batch.branch_id_BT, way.name, dtype, pictures_BT)
    packed = config._attn_implementation == PACKED
    # A window around a picture that sees both ways is not what its model was trained with.
    knows_windows = packed and not joined
    for key in ("attention_chunk_size",) if knows_windows else ("sliding_window", "attention_chunk_size"):
        most = getattr(config, key, None)
        if most is not None and not rows.fit(most):
            raise UserError(
                f"{type(decoder).__name__} sees at most {most} tokens ({key}), which is not known here for longer "
                f"samples. Write model.max_tokens: {most} or less"
            )
    if packed:
        # Any 4-D mask keeps transformers from making one of its own; it is not looked at.
        return {"attention_mask": torch.empty(0, 0, 0, 0), "packed_rows": rows}
    return {"attention_mask": additive_mask_B1TT(batch.sample_id_BT, batch.branch_id_BT, dtype, pictures_BT)}
