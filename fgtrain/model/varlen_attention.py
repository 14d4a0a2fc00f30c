"""Attention by a kernel for stretches of any length: what a stretch sees of itself, merged with what it sees elsewhere.

Two softmaxes over separate keys become the softmax over all of them by their log-sum-exp. In the backward pass each
call is given output and log-sum-exp of all that its queries see; then the calls' gradients add up to the whole one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .varlen_parts import Part


class Kernel(Protocol):
    """Computes one `Part`. Queries [Q, heads, d], keys and values [K, kv heads, d]."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, part: Part, scale: float) -> tuple[Tensor, Tensor]:
        """(output as q, log-sum-exp [heads, Q] in fp32)."""

    def backward(
        self, gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, part: Part, scale: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of q, k and v, where output and log-sum-exp may be those of more keys than the part's."""


class FlashKernel:
    """torch's flash attention on a GPU, what torch.nn.attention.varlen calls.

    That module's own function cannot be merged: the gradient of its log-sum-exp is left out of its backward pass.
    """

    multiple = 8  # of a head's size

    def forward(self, q: Tensor, k: Tensor, v: Tensor, part: Part, scale: float) -> tuple[Tensor, Tensor]:
        out, lse, *_ = torch.ops.aten._flash_attention_forward(
            q, k, v, *self._stretches(part), 0.0, part.causal, False, scale=scale, **self._window(part)
        )
        if lse.shape != (q.shape[1], q.shape[0]):
            raise RuntimeError(f"torch {torch.__version__} gives a log-sum-exp of shape {tuple(lse.shape)}")
        return out, lse

    def backward(
        self, gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, part: Part, scale: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        # Of dropout, of which there is none.
        state, unused = torch.zeros(2, dtype=torch.uint64, device=q.device), torch.empty(0, device=q.device)
        values = (gradient.contiguous(), q, k, v, out, lse.contiguous(), *self._stretches(part))
        return torch.ops.aten._flash_attention_backward(
            *values, 0.0, part.causal, state, unused, scale=scale, **self._window(part)
        )

    @staticmethod
    def _stretches(part: Part) -> tuple[Tensor, Tensor, int, int]:
        # At least two: for single queries the kernel puts the heads of a group into one stretch, and its log-sum-exp
        # comes in another order.
        return part.ends_q, part.ends_k, max(2, part.longest_q), max(2, part.longest_k)

    @staticmethod
    def _window(part: Part) -> dict[str, int]:
        return {} if part.window is None else {"window_size_left": part.window - 1, "window_size_right": 0}


class PlainKernel:
    """The same in plain torch, stretch by stretch: what a kernel must give. For checks, and where there is no GPU."""

    multiple = 1

    def forward(self, q: Tensor, k: Tensor, v: Tensor, part: Part, scale: float) -> tuple[Tensor, Tensor]:
        out, lse = torch.zeros_like(q), q.new_zeros(q.shape[1], q.shape[0], dtype=torch.float32)
        for of_q, of_k in self._stretches(part):
            scores, _, values = self._scores(q[of_q], k[of_k], v[of_k], part, scale)
            lse[:, of_q] = scores.logsumexp(-1)
            out[of_q] = (scores.softmax(-1) @ values).transpose(0, 1).to(out.dtype)
        return out, lse

    def backward(
        self, gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, part: Part, scale: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        gq, gk, gv = (torch.zeros_like(x) for x in (q, k, v))
        for of_q, of_k in self._stretches(part):
            scores, keys, values = self._scores(q[of_q], k[of_k], v[of_k], part, scale)
            weights = (scores - lse[:, of_q, None]).exp()
            asked, made, queries = (x[of_q].transpose(0, 1).float() for x in (gradient, out, q))
            inner = weights * (asked @ values.transpose(1, 2) - (asked * made).sum(-1, keepdim=True)) * scale
            gq[of_q] = (inner @ keys).transpose(0, 1).to(gq.dtype)
            for whole, each in ((gk, inner.transpose(1, 2) @ queries), (gv, weights.transpose(1, 2) @ asked)):
                whole[of_k] = each.unflatten(0, (k.shape[1], -1)).sum(1).transpose(0, 1).to(whole.dtype)
        return gq, gk, gv

    @staticmethod
    def _stretches(part: Part) -> Iterator[tuple[slice, slice]]:
        ends_q, ends_k = part.ends_q.tolist(), part.ends_k.tolist()
        for i in range(len(ends_q) - 1):
            yield slice(ends_q[i], ends_q[i + 1]), slice(ends_k[i], ends_k[i + 1])

    @staticmethod
    def _scores(q: Tensor, k: Tensor, v: Tensor, part: Part, scale: float) -> tuple[Tensor, Tensor, Tensor]:
        """(scores [heads, Q, K], keys and values with as many heads), in fp32."""
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1).transpose(0, 1).float() for x in (k, v))
        scores = q.transpose(0, 1).float() @ k.transpose(1, 2) * scale
        if part.causal:
            Q, K = scores.shape[1:]
            before = torch.arange(K - Q, K, device=q.device)[:, None] - torch.arange(K, device=q.device)
            hidden = before < 0 if part.window is None else (before < 0) | (before >= part.window)
            scores = scores.masked_fill(hidden, -torch.inf)
        return scores, k, v


class VarlenAttention(torch.autograd.Function):
    """[T, heads, d] of query, key and value to the same. Tokens in no stretch give zeros."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, parts: list[Part], scale: float, kernel: Kernel) -> Tensor:
        first, *others = parts
        out, lse = kernel.forward(_of(q, first.queries), _of(k, first.keys), _of(v, first.keys), first, scale)
        if first.queries is not None:
            out = torch.zeros_like(q).index_copy_(0, first.queries, out)
            lse = lse.new_full((len(lse), len(q)), -torch.inf).index_copy_(1, first.queries, lse)
        for part in others:
            more, more_lse = kernel.forward(_of(q, part.queries), _of(k, part.keys), _of(v, part.keys), part, scale)
            # Minus infinity where a token has seen nothing yet: then all that it reads is this part's.
            mine, mine_lse = out.index_select(0, part.queries), lse.index_select(1, part.queries)
            total = torch.logaddexp(mine_lse, more_lse)
            share = (more_lse - total).exp().t()[..., None]
            out.index_copy_(0, part.queries, torch.lerp(mine.float(), more.float(), share).to(out.dtype))
            lse.index_copy_(1, part.queries, total)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.parts, ctx.scale, ctx.kernel = parts, scale, kernel
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        q, k, v, out, lse = ctx.saved_tensors
        found: list[Tensor | None] = [None, None, None]
        with _deterministic(gradient.is_cuda):
            for part in ctx.parts:
                of_lse = lse if part.queries is None else lse.index_select(1, part.queries)
                asked, mine = _of(gradient, part.queries), _of(out, part.queries)
                seen = _of(q, part.queries), _of(k, part.keys), _of(v, part.keys)
                each = ctx.kernel.backward(asked, *seen, mine, of_lse, part, ctx.scale)
                places = (part.queries, part.keys, part.keys)
                for i, (whole, rows, one) in enumerate(zip((q, k, v), places, each, strict=True)):
                    found[i] = _added(found[i], one, rows, whole)
        return *(sums.to(x.dtype) for sums, x in zip(found, (q, k, v), strict=True)), None, None, None


def _of(x: Tensor, rows: Tensor | None) -> Tensor:
    return x if rows is None else x.index_select(0, rows)


def _added(sum_so_far: Tensor | None, more: Tensor, rows: Tensor | None, like: Tensor) -> Tensor:
    if rows is None:
        return more if sum_so_far is None else sum_so_far + more
    # In a window a prefix's key is in as many stretches as it has branches: summed in fp32.
    sum_so_far = torch.zeros_like(like, dtype=torch.float32) if sum_so_far is None else sum_so_far
    return sum_so_far.index_add_(0, rows, more.to(sum_so_far.dtype))


@contextmanager
def _deterministic(gpu: bool) -> Iterator[None]:
    """Sums in an order that does not change from run to run, so that a resumed stage ends with the same bits."""
    if not gpu:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def varlen_attention(q: Tensor, k: Tensor, v: Tensor, parts: list[Part], scale: float | None, kernel: Kernel) -> Tensor:
    """[T, heads, d]: what each token reads. Keys and values may have fewer heads than queries."""
    size = q.shape[-1]
    if missing := -size % kernel.multiple:
        q, k, v = (F.pad(x, (0, missing)) for x in (q, k, v))  # zeros change no score, and give zeros
    scale = size**-0.5 if scale is None else scale
    return VarlenAttention.apply(q, k, v, parts, scale, kernel)[..., :size]
