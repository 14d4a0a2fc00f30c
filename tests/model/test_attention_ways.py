"""Every way to compute attention over packed rows is the dense rule, in values and gradients."""

import itertools

import pytest
import torch
from attention_fakes import drawn_rows, values_and_gradients
from torch.nn.attention.flex_attention import create_mask

from fgtrain.batch import allowed_attention_BTT, joined_runs
from fgtrain.model import flex
from fgtrain.model.attend import attention_by
from fgtrain.model.packed_rows import PackedRows
from fgtrain.model.varlen_attention import PlainKernel

LENGTHS = [1, 2, 5, 16, 33, 64, 100, 127, 128, 200, 333, 500]
GROUPS = [(2, 2), (4, 1), (8, 1), (6, 2)]  # heads of queries, of keys
SIZES = [8, 16, 20, 64, 80, 128, 256, 320]
WINDOWS = [None, 1, 7, 40]
TABLE = [
    (length, GROUPS[i % 4], SIZES[i % 8 if length < 300 else i % 3], WINDOWS[(i // 2) % 4], dtype)
    for i, (length, dtype) in enumerate(itertools.product(LENGTHS, (torch.float32, torch.bfloat16)))
]


@pytest.mark.parametrize("case", range(len(TABLE)), ids=lambda i: "-".join(map(str, TABLE[i])))
def test_every_way_is_the_dense_rule(case: int):
    T, (heads, kv), size, window, dtype = TABLE[case]
    rows = drawn_rows(T, case)
    torch.manual_seed(case)
    given = [torch.randn(2, T, h, size).to(dtype).transpose(1, 2) for h in (heads, kv, kv)]
    weights = torch.randn(2, T, heads, size).to(dtype)
    right = values_and_gradients("dense", given, weights, *rows, window=window)
    for way in ("varlen", "blocks", "sdpa"):
        for found, expected in zip(values_and_gradients(way, given, weights, *rows, window=window), right, strict=True):
            off = (found.float() - expected.float()).abs().max() / expected.float().abs().max().clamp(min=0.5)
            assert off < (2e-6 * T**0.5 + 5e-6 if dtype is torch.float32 else 2e-2), (way, float(off))


@pytest.mark.parametrize("T", [9, 20, 61, 150])
def test_pictures_that_see_both_ways_are_the_dense_rule(T: int):
    """In prefixes and in branches, several in a sample."""
    sample, branch = drawn_rows(T, T)
    draw = torch.rand(2, T, generator=torch.Generator().manual_seed(T))
    image = (draw.cumsum(1) % 4 < 2.5) & (sample != 0)
    image[:, 1:] &= (sample[:, 1:] == sample[:, :-1]) & (branch[:, 1:] == branch[:, :-1])
    image[:, :1] = False
    pictures, given = joined_runs(image), [torch.randn(2, T, h, 16).transpose(1, 2) for h in (4, 2, 2)]
    weights = torch.randn(2, T, 4, 16)
    right = values_and_gradients("dense", given, weights, sample, branch, pictures_BT=pictures)
    assert (values_and_gradients("dense", given, weights, sample, branch)[0] != right[0]).any()
    for way in ("varlen", "blocks", "sdpa"):
        found = values_and_gradients(way, given, weights, sample, branch, pictures_BT=pictures)
        torch.testing.assert_close(found, right, rtol=1e-4, atol=2e-5)
    made = flex.block_mask(sample, branch, pictures_BT=pictures)
    dense_BTT = create_mask(made.mask_mod, 2, 1, T, T, device="cpu")[:, 0]
    assert torch.equal(dense_BTT, allowed_attention_BTT(sample, branch, pictures))


def test_a_part_left_out_or_a_merge_by_its_own_sum_is_seen(monkeypatch: pytest.MonkeyPatch):
    """The table above can tell: with each part's own log-sum-exp in the backward pass, gradients are wrong."""
    rows, given = drawn_rows(64, 3), [torch.randn(2, 64, 2, 8).transpose(1, 2) for _ in range(3)]
    weights = torch.randn(2, 64, 2, 8)
    right = values_and_gradients("dense", given, weights, *rows, window=None)
    whole = PlainKernel.backward

    def own(kernel, gradient, q, k, v, out, lse, part, scale):
        return whole(kernel, gradient, q, k, v, *kernel.forward(q, k, v, part, scale), part, scale)

    monkeypatch.setattr(PlainKernel, "backward", own)
    found = values_and_gradients("varlen", given, weights, *rows, window=None)
    torch.testing.assert_close(found[0], right[0])
    assert (found[1] - right[1]).abs().max() > 0.05 * right[1].abs().max()


@pytest.mark.parametrize("window", [None, 7])
def test_the_block_mask_for_gpus_is_the_dense_one(window: int | None):
    rows = PackedRows(*drawn_rows(90, 5), "flex", torch.float32)
    made = flex.block_mask(rows.sample_id_BT, rows.branch_id_BT, window, rows.alone_BT())
    dense_B1TT = create_mask(made.mask_mod, 2, 1, 90, 90, device="cpu")[:, 0]
    allowed = allowed_attention_BTT(rows.sample_id_BT, rows.branch_id_BT)
    if window is not None:
        allowed &= rows.alone_BT()[:, :, None] - rows.alone_BT()[:, None, :] < window
    assert torch.equal(dense_B1TT, allowed)


def test_flex_attention_is_compiled_for_all_lengths_at_once(monkeypatch: pytest.MonkeyPatch, capfd):
    """On CPU it runs as dynamo traces it, and forward only; that is what decides how often it is compiled."""
    monkeypatch.setattr(flex, "BACKEND", "eager")
    flex.compiled.cache_clear()
    lengths = [200, 33, 130, 257]
    for i, T in enumerate(lengths):
        rows, given = drawn_rows(T, i, B=1), [torch.randn(1, h, T, 16) for h in (6, 2, 2)]
        found = attention_by("flex", *given, *rows) * (rows[0] != 0)[..., None, None]
        right = attention_by("dense", *given, *rows) * (rows[0] != 0)[..., None, None]
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-5)
    assert 1 <= flex.graphs() <= 3
    assert "times" not in capfd.readouterr().err
    monkeypatch.setattr(flex, "MOST_GRAPHS", flex.graphs())  # the next is one too many
    attention_by("flex", *(torch.randn(1, h, 90, 32) for h in (2, 2, 2)), *drawn_rows(90, 0, B=1))
    assert "compiled" in capfd.readouterr().err
    flex.compiled.cache_clear()
