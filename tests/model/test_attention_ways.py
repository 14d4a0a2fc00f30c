"""Every way to compute attention over packed rows is the dense rule, in values and gradients."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from model_fakes import drawn_module, some_samples
from torch import Tensor
from torch.nn.attention.flex_attention import create_mask
from transformers import Gemma2Config, Gemma2Model, GptOssConfig, GptOssModel, LlamaConfig, LlamaModel

from fgtrain.batch import Batch, additive_mask_B1TT, allowed_attention_BTT, joined_runs
from fgtrain.data.packing import pack
from fgtrain.errors import UserError
from fgtrain.model import attention_choice, flex
from fgtrain.model.attend import attend, attention_by
from fgtrain.model.packed_attention import attention_arguments, packed_attention, use_packed_attention
from fgtrain.model.packed_rows import PackedRows
from fgtrain.model.varlen_attention import FlashKernel, PlainKernel
from fgtrain.plan import attention_way
from fgtrain.plan.attention_way import Attention, choose_way
from fgtrain.plan.cost import ModelShape
from fgtrain.recipe.schema import Devices

LENGTHS = [1, 2, 5, 16, 33, 64, 100, 127, 128, 200, 333, 500]
GROUPS = [(2, 2), (4, 1), (8, 1), (6, 2)]  # heads of queries, of keys
SIZES = [8, 16, 20, 64, 80, 128, 256, 320]
WINDOWS = [None, 1, 7, 40]
TABLE = [
    (length, GROUPS[i % 4], SIZES[i % 8 if length < 300 else i % 3], WINDOWS[(i // 2) % 4], dtype)
    for i, (length, dtype) in enumerate(itertools.product(LENGTHS, (torch.float32, torch.bfloat16)))
]


def drawn_rows(T: int, seed: int, B: int = 2) -> tuple[Tensor, Tensor]:
    """sample_id_BT and branch_id_BT: samples with up to five branches, some without a prefix, perhaps padding."""
    draw = np.random.default_rng(seed)
    sample, branch = np.zeros((B, T), np.int64), np.zeros((B, T), np.int64)
    for b in range(B):
        end, number = T - int(draw.integers(0, max(1, T // 8))), 0
        place = 0
        while place < end:
            number += 1
            length = min(end - place, int(draw.integers(1, max(2, T))))
            prefix = int(draw.integers(0, length + 1))
            cuts = np.sort(draw.integers(prefix, length + 1, int(draw.integers(0, 5))))
            sample[b, place : place + length] = number
            inside = 1 + np.searchsorted(np.unique(cuts[cuts > prefix]), np.arange(prefix, length), side="right")
            branch[b, place + prefix : place + length] = inside
            place += length
    return torch.from_numpy(sample), torch.from_numpy(branch)


def values_and_gradients(way: str, given: list[Tensor], weights: Tensor, *rows: Tensor, **options):
    given = [one.detach().clone().requires_grad_() for one in given]
    out = attention_by(way, *given, *rows, scale=0.3, **options)
    real = (rows[0] != 0)[..., None, None]
    return [out.detach() * real, *torch.autograd.grad((out * weights * real).sum(), given)]


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
    monkeypatch.setattr(flex, "MOST_GRAPHS", flex.graphs())
    attention_by("flex", *(torch.randn(1, h, 90, 32) for h in (2, 2, 2)), *drawn_rows(90, 0, B=1))
    assert "compiled" in capfd.readouterr().err
    flex.compiled.cache_clear()


GPU = Attention(device="cuda", dtype="bf16", head_size=128)
CHOICES = [
    (GPU, "auto", "varlen", ""),
    (replace(GPU, dtype="fp32"), "auto", "sdpa", "knows no fp32"),
    (replace(GPU, head_size=320), "auto", "sdpa", "320 values"),
    (replace(GPU, dropout=0.1), "auto", "sdpa", "drops 0.1"),
    (replace(GPU, no_flash="an old GPU"), "auto", "sdpa", "an old GPU"),
    (replace(GPU, no_compiler="no triton"), "auto", "varlen", ""),
    (replace(GPU, dense="it caps its scores"), "auto", "dense", "it caps its scores"),
    (replace(GPU, dtype="fp32"), "flex", "flex", ""),
    (replace(GPU, head_size=8), "auto", "varlen", ""),
    (GPU, "sdpa", "sdpa", "as devices.attention says"),
    (replace(GPU, device="cpu"), "auto", "blocks", ""),
    (replace(GPU, device="cpu", dropout=0.1), "auto", "sdpa", "drops 0.1"),
    (replace(GPU, device="cpu", no_blocks="another torch"), "auto", "sdpa", "another torch"),
    (replace(GPU, device="mps"), "auto", "sdpa", "CPU only"),
]
REFUSED = [
    (replace(GPU, no_compiler="no triton"), "flex", "no triton"),
    (replace(GPU, head_size=8), "flex", "16"),
    (replace(GPU, dropout=0.1), "flex", "drops 0.1"),
    (replace(GPU, dropout=0.1), "varlen", "drops 0.1"),
    (replace(GPU, dtype="fp32"), "varlen", "fp32"),
    (replace(GPU, device="cpu"), "varlen", "GPU only"),
    (replace(GPU, dense="it caps its scores"), "sdpa", "it caps its scores"),
]


@pytest.mark.parametrize(("attention", "wanted", "way", "why"), CHOICES)
def test_the_way_follows_from_device_type_and_model(attention: Attention, wanted: str, way: str, why: str):
    chosen = choose_way(attention, wanted)
    assert chosen.name == way
    assert why in chosen.why


@pytest.mark.parametrize(("attention", "wanted", "why"), REFUSED)
def test_a_way_that_cannot_compute_it_is_refused(attention: Attention, wanted: str, why: str):
    with pytest.raises(UserError, match=f"devices.attention is {wanted}.*{why}.*Write attention: auto"):
        choose_way(attention, wanted)


SHAPE = ModelShape(8, 2, 2, 1, 128, 16, 10, 500, 2000, 300, 40, 48)
PLANNED = [
    ({"accelerator": "gpu", "precision": "bf16"}, {}, "varlen ("),
    ({"accelerator": "gpu"}, {}, "sdpa ("),
    ({"accelerator": "cpu"}, {}, "blocks ("),
    ({"precision": "bf16"}, {}, "on a GPU varlen (.* on a CPU blocks ("),
    ({"precision": "bf16", "accelerator": "gpu"}, {"dense_attention": "it caps its scores"}, "dense (.*it caps"),
    ({"attention": "flex"}, {}, "flex (.* On this host flex attention needs"),
]


@pytest.mark.parametrize(("devices", "shape", "text"), PLANNED)
def test_a_plan_says_the_way(devices: dict, shape: dict, text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(attention_way, "find_spec", lambda name: None)
    found = attention_way.planned_way(Devices(**devices), replace(SHAPE, **shape))
    assert re.match(text.replace("(", r"\("), found)
    assert attention_way.planned_way(Devices(**devices), None) is None


def test_what_a_compiler_lacks_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(attention_way, "find_spec", lambda name: object())
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "neither CC nor gcc nor clang" in attention_way.compiler_missing()
    monkeypatch.setenv("CC", "cc")
    monkeypatch.setattr(attention_way.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    assert "has no Python.h" in attention_way.compiler_missing()
    (tmp_path / "Python.h").touch()
    assert attention_way.compiler_missing() == ""


def test_a_way_that_is_wrong_on_its_device_is_found_before_training(monkeypatch: pytest.MonkeyPatch):
    sizes, cpu = (4, 2, 16), torch.device("cpu")
    with torch.inference_mode():  # whoever asks first
        for dtype, way in itertools.product((torch.float32, torch.bfloat16), ("varlen", "blocks", "sdpa")):
            assert attention_choice.fault(way, sizes, cpu, dtype) == ""
    assert "fails" in attention_choice.fault("flex", sizes, cpu, torch.float32)  # not differentiable on CPU
    monkeypatch.setattr(PackedRows, "blocks", property(lambda rows: replace(_blocks(rows), shared=[])))
    assert "off by" in attention_choice.fault("blocks", sizes, cpu, torch.bfloat16)


_blocks = PackedRows.blocks.func


def small(kind: type, config: type, **more: object) -> torch.nn.Module:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"num_key_value_heads": 2, "head_dim": 8, "vocab_size": 80, "initializer_range": 0.3}
    return drawn_module(kind, config(**sizes, **more))


def some_batch() -> tuple[Batch, Tensor]:
    batch = pack([drawn.sample() for drawn in some_samples()], 90)
    torch.manual_seed(0)
    return batch, torch.randn(*batch.token_ids_BT.shape, 32)


@pytest.mark.parametrize(
    ("kind", "config", "more"),
    [
        (Gemma2Model, Gemma2Config, {"attn_logit_softcapping": 2.0}),
        (GptOssModel, GptOssConfig, {"num_local_experts": 2, "num_experts_per_tok": 1}),
    ],
)
def test_capped_scores_and_sinks_stay_with_a_mask_of_the_row(kind: type, config: type, more: dict):
    """No way here knows them, so they are computed as transformers does where nothing is packed."""
    decoder = small(kind, config, **more)
    batch, embeds = some_batch()
    decoder.set_attn_implementation("eager")
    mask = additive_mask_B1TT(batch.sample_id_BT, batch.branch_id_BT, torch.float32)
    arguments = {"inputs_embeds": embeds, "position_ids": batch.position_ids_BT, "use_cache": False}
    right = decoder(**arguments, attention_mask=mask).last_hidden_state
    use_packed_attention(decoder)
    given = attention_arguments(decoder, batch, torch.float32, "auto")
    torch.testing.assert_close(decoder(**arguments, **given).last_hidden_state, right)
    with pytest.raises(UserError, match=r"devices\.attention is varlen, but .*Model"):
        attention_arguments(decoder, batch, torch.float32, "varlen")


def test_a_model_that_sdpa_would_compute_without_its_cap_does_not_run_it():
    decoder = small(LlamaModel, LlamaConfig)
    decoder.config.attn_logit_softcapping = 2.0
    use_packed_attention(decoder)
    assert decoder.config._attn_implementation == "eager"


def test_nothing_that_a_model_asks_of_attention_is_dropped_in_silence():
    rows, given = drawn_rows(40, 0), [torch.randn(2, 2, 40, 8) for _ in range(3)]
    packed = PackedRows(*rows, "varlen", torch.float32)
    with pytest.raises(RuntimeError, match=r"varlen attention was chosen for a model that drops 0\.1"):
        attend(*given, packed, 0.1, None, None)
    with pytest.raises(RuntimeError, match="softcap"):
        packed_attention(torch.nn.Module(), *given, None, packed_rows=packed, softcap=5.0)


def test_attention_dropout_of_a_model_is_applied_in_training_alone():
    decoder = small(LlamaModel, LlamaConfig, attention_dropout=0.5)
    use_packed_attention(decoder)
    batch, embeds = some_batch()
    given = attention_arguments(decoder, batch, torch.float32, "auto")
    assert given["packed_rows"].way == "sdpa"

    def hidden() -> Tensor:
        torch.manual_seed(1)
        return decoder(
            inputs_embeds=embeds, position_ids=batch.position_ids_BT, use_cache=False, **given
        ).last_hidden_state

    asked = hidden()
    torch.testing.assert_close(hidden(), asked)
    assert (decoder.train() and hidden() - asked).abs().max() > 0.1
