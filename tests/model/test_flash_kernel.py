"""torch's flash attention is asked for what packed rows need, in its own terms; no GPU is here to run it."""

import itertools
from dataclasses import replace

import pytest
import torch
from attention_fakes import drawn_rows, values_and_gradients

from fgtrain.model import attend as attend_module
from fgtrain.model.packed_rows import PackedRows
from fgtrain.model.varlen_attention import FlashKernel


def test_the_gpu_kernel_is_asked_as_torch_says():
    """Shapes, types and names of torch's own operators, on the meta device; a window of w sees w - 1 tokens back."""
    rows = PackedRows(*drawn_rows(60, 1), "varlen", torch.bfloat16)
    for window in (None, 9):
        for part in rows.parts(window):
            moved = replace(part, **{k: getattr(part, k).to("meta") for k in ("ends_q", "ends_k")})
            q = torch.empty(int(part.ends_q[-1]), 8, 64, dtype=torch.bfloat16, device="meta")
            k, v = (torch.empty(int(part.ends_k[-1]), 2, 64, dtype=torch.bfloat16, device="meta") for _ in range(2))
            out, lse = FlashKernel().forward(q, k, v, moved, 0.1)
            assert (out.shape, lse.shape, lse.dtype) == (q.shape, (8, len(q)), torch.float32)
            found = FlashKernel().backward(out, q, k, v, out, lse, moved, 0.1)
            assert [x.shape for x in found] == [q.shape, k.shape, v.shape]
            assert FlashKernel._window(moved) == (
                {"window_size_left": 8, "window_size_right": 0} if part.window else {}
            )
            assert min(FlashKernel._stretches(moved)[2:]) >= 2


def flash_scores(q, k, ends_q, ends_k, longest_q, causal, scale, left, right):
    """As torch's flash attention says in flash_api.cpp: windows are counted from the ends of the two stretches."""
    assert ends_q.dtype == ends_k.dtype == torch.int32
    assert q.shape[-1] % 8 == 0
    assert longest_q > 1, "the log-sum-exp of grouped heads would come in another order"
    left, right = -1 if left is None else left, 0 if causal else -1 if right is None else right
    for (a, b), (c, d) in zip(*(itertools.pairwise(one.tolist()) for one in (ends_q, ends_k)), strict=True):
        keys = k[c:d].repeat_interleave(q.shape[1] // k.shape[1], 1).transpose(0, 1)
        off = torch.arange(d - c) - torch.arange(b - a)[:, None] - (d - c - b + a)
        hidden = ((off < -left) & (left >= 0)) | ((off > right) & (right >= 0))
        scores = (q[a:b].transpose(0, 1) @ keys.transpose(1, 2) * scale).masked_fill(hidden, -torch.inf)
        yield slice(a, b), slice(c, d), keys, scores


def flash_forward(
    q, k, v, ends_q, ends_k, longest_q, longest_k, dropout, causal, debug, *, scale, window_size_left=None,
    window_size_right=None,
):  # fmt: skip
    out, lse = torch.zeros_like(q), torch.zeros(q.shape[1], len(q))
    windows = window_size_left, window_size_right
    for of_q, of_k, _, scores in flash_scores(q, k, ends_q, ends_k, longest_q, causal, scale, *windows):
        values = v[of_k].repeat_interleave(q.shape[1] // k.shape[1], 1).transpose(0, 1)
        out[of_q], lse[:, of_q] = (scores.softmax(-1) @ values).transpose(0, 1), scores.logsumexp(-1)
    return out, lse, None, None, None


def flash_backward(
    gradient, q, k, v, out, lse, ends_q, ends_k, longest_q, longest_k, dropout, causal, state, unused, *, scale,
    window_size_left=None, window_size_right=None,
):  # fmt: skip
    found, groups = [torch.zeros_like(x) for x in (q, k, v)], q.shape[1] // k.shape[1]
    windows = window_size_left, window_size_right
    for of_q, of_k, keys, scores in flash_scores(q, k, ends_q, ends_k, longest_q, causal, scale, *windows):
        values = v[of_k].repeat_interleave(groups, 1).transpose(0, 1)
        weights, asked = (scores - lse[:, of_q, None]).exp(), gradient[of_q].transpose(0, 1)
        rest = (asked * out[of_q].transpose(0, 1)).sum(-1, keepdim=True)
        inner = weights * (asked @ values.transpose(1, 2) - rest) * scale
        found[0][of_q] = (inner @ keys).transpose(0, 1)
        queries = q[of_q].transpose(0, 1)
        for i, each in ((1, inner.transpose(1, 2) @ queries), (2, weights.transpose(1, 2) @ asked)):
            found[i][of_k] = each.unflatten(0, (-1, groups)).sum(1).transpose(0, 1)
    return tuple(found)


@pytest.mark.parametrize(("T", "size", "window"), [(1, 8, None), (47, 20, None), (90, 16, 9), (200, 12, 1), (64, 8, 2)])
def test_what_the_gpu_kernel_is_asked_gives_the_rule(T: int, size: int, window: int | None, monkeypatch):
    """With operators that keep to what torch's own do on a GPU, in the order and under the names of their arguments."""
    monkeypatch.setattr(attend_module, "PlainKernel", FlashKernel)
    monkeypatch.setattr(torch.ops.aten, "_flash_attention_forward", flash_forward)
    monkeypatch.setattr(torch.ops.aten, "_flash_attention_backward", flash_backward)
    rows, given = drawn_rows(T, T + 1), [torch.randn(2, T, h, size).transpose(1, 2) for h in (4, 2, 2)]
    weights = torch.randn(2, T, 4, size)
    right = values_and_gradients("dense", given, weights, *rows, window=window)
    found = values_and_gradients("varlen", given, weights, *rows, window=window)
    torch.testing.assert_close(found, right, rtol=1e-4, atol=2e-5)
