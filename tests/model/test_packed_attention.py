"""Attention sample by sample is attention under the whole row's mask, for every kind of language model."""

import pytest
import torch
from model_fakes import drawn_module, some_samples
from torch import nn
from transformers import LlamaConfig, LlamaModel, MistralConfig, MistralModel, Qwen2Config, Qwen2Model
from transformers.models.qwen2_5_vl import Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel

from fgtrain.batch import Batch
from fgtrain.data.packing import pack
from fgtrain.model.attend import attend
from fgtrain.model.packed_attention import PACKED, attention_arguments, use_packed_attention
from fgtrain.model.packed_rows import PackedRows

SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
SIZES |= {"num_key_value_heads": 2, "vocab_size": 80, "initializer_range": 0.3}
WINDOW = {"sliding_window": 7, "use_sliding_window": True, "max_window_layers": 1}
MODELS = {
    "llama, grouped heads": (LlamaModel, LlamaConfig(**SIZES)),
    "mistral, sliding window": (MistralModel, MistralConfig(**SIZES, sliding_window=7)),
    "qwen2, sliding window in some layers": (Qwen2Model, Qwen2Config(**SIZES, **WINDOW)),
    "qwen2.5-vl, three axes of positions": (
        Qwen2_5_VLTextModel,
        Qwen2_5_VLTextConfig(
            **SIZES, rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
        ),
    ),
}


def hidden(decoder: nn.Module, batch: Batch, embeds: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    arguments = attention_arguments(decoder, batch, embeds.dtype, "auto")
    assert "packed_rows" in arguments
    return decoder(inputs_embeds=embeds, position_ids=positions, use_cache=False, **arguments).last_hidden_state


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("room", [None, 90])
def test_packed_is_each_branch_alone_in_values_and_gradients(kind: str, room: int | None):
    """The reference is transformers' own SDPA over one prefix and one branch at a time."""
    decoder = drawn_module(*MODELS[kind])
    batch = pack([drawn.sample() for drawn in some_samples()], room)
    torch.manual_seed(0)
    embeds_BTD = torch.randn(*batch.token_ids_BT.shape, 32)
    embeds_BTD = (embeds_BTD * (batch.sample_id_BT != 0)[..., None]).requires_grad_()
    positions = batch.position_ids_BT
    if "three axes" in kind:
        positions = torch.stack([positions, positions // 2, positions % 5])
    weights_BTD = torch.randn(embeds_BTD.shape)

    expected_BTD, expected_gradient = torch.zeros(embeds_BTD.shape), torch.zeros(embeds_BTD.shape)
    for b in range(len(embeds_BTD)):
        for number in range(1, int(batch.sample_id_BT[b].max()) + 1):
            mine_T = batch.sample_id_BT[b] == number
            branches = range(1, int(batch.branch_id_BT[b][mine_T].max()) + 1)
            for branch in branches:
                seen_T = mine_T & ((batch.branch_id_BT[b] == 0) | (batch.branch_id_BT[b] == branch))
                own = batch.branch_id_BT[b][seen_T] == branch
                own |= branch == 1  # the prefix's own outputs count once
                alone = embeds_BTD.detach()[b, seen_T][None].requires_grad_()
                found = decoder(
                    inputs_embeds=alone, position_ids=positions[..., b, seen_T].unsqueeze(-2), use_cache=False
                ).last_hidden_state[0]
                expected_BTD[b, seen_T] = torch.where(own[:, None], found, expected_BTD[b, seen_T]).detach()
                (found * weights_BTD[b, seen_T])[own].sum().backward()
                expected_gradient[b, seen_T] += alone.grad[0]

    use_packed_attention(decoder)
    assert decoder.config._attn_implementation == PACKED
    found_BTD = hidden(decoder, batch, embeds_BTD, positions)
    real_BT = batch.sample_id_BT != 0
    torch.testing.assert_close(found_BTD[real_BT], expected_BTD[real_BT], rtol=1e-4, atol=1e-5)
    (found_BTD * weights_BTD)[real_BT].sum().backward()
    scale = float(expected_gradient.abs().max())
    torch.testing.assert_close(embeds_BTD.grad[real_BT], expected_gradient[real_BT], rtol=0, atol=2e-5 * scale)


@pytest.mark.parametrize("room", [None, 90])
def test_blocks_are_what_a_mask_of_each_sample_says(room: int | None):
    """Blocks without a mask, and (under a dropout that drops nothing) sample by sample, in values and gradients."""
    batch = pack([drawn.sample() for drawn in some_samples()], room)
    B, T = batch.token_ids_BT.shape
    rows = [PackedRows(batch.sample_id_BT, batch.branch_id_BT, way, torch.float32) for way in ("blocks", "sdpa")]
    assert rows[0].blocks.shared
    torch.manual_seed(0)
    drawn = [torch.randn(B, T, heads, 8).transpose(1, 2) for heads in (4, 2, 2)]
    weights = torch.randn(B, T, 4, 8) * (batch.sample_id_BT != 0)[..., None, None]
    found = []
    for packed, dropout in zip(rows, (0.0, 1e-12), strict=True):
        given = [one.clone().requires_grad_() for one in drawn]
        out = attend(*given, packed, dropout, None, None)
        found.append([out * (weights != 0), *torch.autograd.grad((out * weights).sum(), given)])
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


def test_a_model_that_runs_eager_attention_stays_with_the_dense_mask():
    decoder = drawn_module(LlamaModel, LlamaConfig(**SIZES))
    decoder.set_attn_implementation("eager")
    use_packed_attention(decoder)
    batch = pack([drawn.sample() for drawn in some_samples()], 90)
    assert attention_arguments(decoder, batch, torch.float32, "auto").keys() == {"attention_mask"}
