"""The way to compute attention follows from device, type and model, and nothing is dropped in silence."""

import itertools
import re
from dataclasses import replace

import pytest
import torch
from attention_fakes import drawn_rows
from model_fakes import drawn_module, some_samples
from torch import Tensor
from transformers import Gemma2Config, Gemma2Model, GptOssConfig, GptOssModel, LlamaConfig, LlamaModel

from fgtrain.batch import Batch, additive_mask_B1TT
from fgtrain.data.packing import pack
from fgtrain.errors import UserError
from fgtrain.model import attention_choice
from fgtrain.model.attend import attend
from fgtrain.model.packed_attention import attention_arguments, packed_attention, use_packed_attention
from fgtrain.model.packed_rows import PackedRows
from fgtrain.plan import attention_way
from fgtrain.plan.attention_way import Attention, choose_way
from fgtrain.plan.cost import ModelShape
from fgtrain.recipe.devices_schema import Devices
from fgtrain.runs.preflight import refuse_missing_triton

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


def test_flex_attention_without_a_compiler_is_refused_before_data_is_built(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(attention_way, "find_spec", lambda name: None)
    refuse_missing_triton(Devices())
    with pytest.raises(UserError, match=r"devices\.attention is flex, but .*triton, which is not installed"):
        refuse_missing_triton(Devices(attention="flex"))


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
