"""Attention on CPU in blocks that need no mask: stretches that see themselves causally, and branches their prefix.

What a branch's token sees is its own branch and the prefix. Each is attended by itself and the two are merged by their
log-sum-exp, so no masked pair is computed, no key is copied and nothing as large as a mask is kept.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# The kernels behind torch's SDPA on CPU. Called by name because SDPA does not give the log-sum-exp.
_NAME = "_scaled_dot_product_flash_attention_for_cpu"
_forward = getattr(torch.ops.aten, _NAME, None)
_backward = getattr(torch.ops.aten, f"{_NAME}_backward", None)


def missing() -> str:
    """Why these kernels cannot be used with this torch, "" where they can."""
    return "" if _forward and _backward else f"torch {torch.__version__} has no {_NAME}"


@dataclass(frozen=True)
class Blocks:
    """Places in one row of tokens. What is in no stretch that sees itself is padding."""

    causal: list[slice]  # each sees itself, causally; no token is in two
    whole: list[slice]  # each sees all of itself (a picture whose tokens see each other both ways)
    shared: list[tuple[slice, slice]]  # (branches, their prefix): each of the one sees all of the other

    @property
    def own(self) -> list[tuple[slice, bool]]:
        """(stretch that sees itself, causally?)"""
        return [*((one, True) for one in self.causal), *((one, False) for one in self.whole)]


class BlockAttention(torch.autograd.Function):
    """[1, heads, T, d] of query, key and value to the same; padding gives zeros. Keys have as many heads as queries."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, blocks: Blocks, scale: float | None) -> Tensor:
        # In memory the tokens lie one after the other, as what follows wants them.
        out = v.new_zeros(1, q.shape[2], q.shape[1], v.shape[3]).transpose(1, 2)
        lse = torch.zeros(1, q.shape[2], q.shape[1]).transpose(1, 2)
        for own, causal in blocks.own:
            each = (x[:, :, own] for x in (q, k, v))
            out[:, :, own], lse[:, :, own] = _forward(*each, 0.0, causal, scale=scale)
        for branches, prefix in blocks.shared:
            seen, seen_lse = _forward(q[:, :, branches], k[:, :, prefix], v[:, :, prefix], 0.0, False, scale=scale)
            total = torch.logaddexp(lse[:, :, branches], seen_lse)
            share = (seen_lse - total).exp()[..., None]
            out[:, :, branches] = torch.lerp(out[:, :, branches].to(share.dtype), seen.to(share.dtype), share)
            lse[:, :, branches] = total
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.blocks, ctx.scale = blocks, scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        q, k, v, out, lse = ctx.saved_tensors

        def of(queries: slice, keys: slice, causal: bool) -> tuple[Tensor, Tensor, Tensor]:
            """Gradients of queries, keys, values. With the log-sum-exp of all that a query sees, parts add up."""
            asked, seen = (x[:, :, queries] for x in (gradient, q)), (x[:, :, keys] for x in (k, v))
            made = out[:, :, queries], lse[:, :, queries]
            return _backward(*asked, *seen, *made, 0.0, causal, scale=ctx.scale)

        gq, gk, gv = (torch.zeros_like(x) for x in (q, k, v))
        for own, causal in ctx.blocks.own:
            gq[:, :, own], gk[:, :, own], gv[:, :, own] = of(own, own, causal)
        for branches, prefix in ctx.blocks.shared:
            for whole, places, part in zip(
                (gq, gk, gv), (branches, prefix, prefix), of(branches, prefix, False), strict=True
            ):
                whole[:, :, places] += part
        return gq, gk, gv, None, None


def block_attention(q: Tensor, k: Tensor, v: Tensor, blocks: Blocks, scale: float | None) -> Tensor:
    """[1, heads, T, d]: what each token reads. Keys and values may have fewer heads than queries."""
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = (x.repeat_interleave(groups, dim=1) for x in (k, v))
    return BlockAttention.apply(q, k, v, blocks, scale)
