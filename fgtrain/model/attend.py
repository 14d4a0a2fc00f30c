"""Attention over packed rows by each way there is: every one gives the same, up to rounding.

On a GPU flash attention over stretches merged by their log-sum-exp (varlen_attention), or flex attention under a block
mask (flex); on CPU blocks that need no mask (block_attention); and SDPA sample by sample, which takes every type, head
and dropout.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from fgtrain.batch import additive_mask_B1TT

from .block_attention import block_attention
from .flex import flex
from .packed_rows import PackedRows, Span
from .varlen_attention import FlashKernel, PlainKernel, varlen_attention


@torch.compiler.disable
def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    rows: PackedRows,
    dropout: float,
    scale: float | None,
    window: int | None,
) -> Tensor:
    """[B, heads, T, d] of query, key and value to [B, T, heads, d], in the way of the rows."""
    if dropout and rows.way != "sdpa":
        raise RuntimeError(f"{rows.way} attention was chosen for a model that drops {dropout:g} of its weights")
    # As SDPA would under autocast: rotary positions may have made queries and keys wider than values.
    query, key, value = (x.to(rows.dtype) for x in (query, key, value))
    if rows.way == "flex":
        return flex(query, key, value, rows, window, scale).transpose(1, 2)
    B, heads, T, _ = query.shape
    if rows.way == "varlen":
        # Views, not copies: in memory the tokens lie one after the other.
        query, key, value = (x.transpose(1, 2).flatten(0, 1) for x in (query, key, value))
        kernel = FlashKernel() if query.is_cuda else PlainKernel()
        return varlen_attention(query, key, value, rows.parts(window), scale, kernel).unflatten(0, (B, T))
    query, key, value = (x.transpose(1, 2).flatten(0, 1).transpose(0, 1)[None] for x in (query, key, value))
    if rows.way == "blocks" and rows.fit(window):
        found = block_attention(query, key, value, rows.blocks, scale)
        return found.transpose(1, 2).view(B, T, heads, -1)
    lengths = [span.length for span in rows.spans]
    # split, not slices: its gradient is one concatenation instead of a zero-padded row a sample.
    pieces = zip(rows.spans, *(x.split(lengths, dim=2) for x in (query, key, value)), strict=True)
    found = [_sample(span, *piece, window, {"dropout_p": dropout, "scale": scale}) for span, *piece in pieces]
    return torch.cat([piece.transpose(1, 2) for piece in found], dim=1).view(B, T, heads, -1)


def _sample(span: Span, q: Tensor, k: Tensor, v: Tensor, window: int | None, options: dict) -> Tensor:
    if span.padding:
        return torch.zeros_like(q)
    if span.pictures is not None or (window is not None and span.length > window):
        return _masked(q, k, v, span.mask(window, q.dtype, q.device), options)
    prefix = span.prefix
    shared = {"enable_gqa": k.shape[1] != q.shape[1]}
    if prefix == span.length:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, **shared, **options)
    branches = _masked(q[:, :, prefix:], k, v, span.mask(None, q.dtype, q.device), options)
    if not prefix:
        return branches
    before = [x[:, :, :prefix] for x in (q, k, v)]
    return torch.cat([F.scaled_dot_product_attention(*before, is_causal=True, **shared, **options), branches], dim=2)


def _masked(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, options: dict) -> Tensor:
    groups = q.shape[1] // k.shape[1]
    if groups > 1:  # under a mask only torch's slowest kernel takes fewer heads of keys than of queries
        k, v = (x.repeat_interleave(groups, dim=1) for x in (k, v))
    return F.scaled_dot_product_attention(q, k, v, mask, **options)


def attention_by(
    way: str,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    sample_id_BT: Tensor,
    branch_id_BT: Tensor,
    window: int | None = None,
    scale: float | None = None,
    pictures_BT: Tensor | None = None,
) -> Tensor:
    """Attention over packed rows by a named way, to compare ways on a device; it can be differentiated.

    query [B, heads, T, d], key and value [B, kv heads, T, d], all of one type and device; result [B, T, heads, d].
    `way`: "varlen" (on CPU by plain torch in place of flash attention), "flex" (needs a GPU), "blocks" (needs a CPU),
    "sdpa", or "dense": the rule itself, in fp32 whatever is given. Padding (sample_id 0) may hold anything.
    `pictures_BT`: see PackedRows.
    """
    rows = PackedRows(sample_id_BT, branch_id_BT, way, query.dtype, pictures_BT)
    if way != "dense":
        return attend(query, key, value, rows, 0.0, scale, window)
    mask = additive_mask_B1TT(sample_id_BT, branch_id_BT, torch.float32, pictures_BT)
    if window is not None:
        alone = rows.alone_BT()
        mask = mask.masked_fill((alone[:, :, None] - alone[:, None, :] >= window)[:, None], torch.finfo(mask.dtype).min)
    return _masked(*(x.float() for x in (query, key, value)), mask, {"scale": scale}).transpose(1, 2).to(query.dtype)
