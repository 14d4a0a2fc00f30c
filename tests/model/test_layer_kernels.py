"""Fused layers learn what plain ones learn; who may use which, and who says so."""

import copy
import dataclasses
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from family_fakes import built, write_family
from model_fakes import drawn_sample, gradients, packed, some_samples
from torch import Tensor
from torch._dynamo.utils import counters
from transformers.models.llama import modeling_llama

import fgtrain.model.layer_kernels as layer_kernels
from fgtrain.batch import Batch
from fgtrain.errors import UserError
from fgtrain.model import LVLM, set_trainable
from fgtrain.model.layer_kernels import use_layer_kernels, use_liger
from fgtrain.plan.kernels import layer_kernels as resolved
from fgtrain.recipe.devices_schema import Devices
from fgtrain.recipe.model_schema import TrainPart

ROTATION = modeling_llama.apply_rotary_pos_emb  # before anything replaces it


def losses_and_gradients(lvlm: LVLM, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    losses_S = lvlm.token_losses_S(batch)
    losses_S.sum().backward()
    return losses_S.detach(), gradients(lvlm)


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_layers_learn_the_same_in_few_programs(lvlm: LVLM, backend: str, monkeypatch: pytest.MonkeyPatch):
    """With activation checkpointing and without, for rows of several lengths, in a copy as a strategy makes it.

    What "aot_eager" leaves out is the writing of kernels, which takes a compiler most of a minute.
    """
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    counters.clear()
    torch._dynamo.reset()
    set_trainable(lvlm, {part: TrainPart(lr=1.0) for part in ("projector", "language_model")})
    lvlm.train()
    samples = [drawn.sample() for drawn in some_samples()]
    rows = [packed(chosen, 10_000) for chosen in (samples, samples[:2], samples[1:], samples[2:])]
    expected = [losses_and_gradients(lvlm, row) for row in rows]
    use_layer_kernels(lvlm, "compile", "compile")
    programs = []
    for checkpoints in (False, True):
        lvlm.checkpoint_activations(checkpoints)
        for row, (losses_S, of) in zip(rows, expected, strict=True):
            found_S, found = losses_and_gradients(lvlm, row)
            torch.testing.assert_close(found_S, losses_S, rtol=1e-5, atol=1e-5)
            assert found.keys() == of.keys()
            for name in of:
                torch.testing.assert_close(found[name], of[name], rtol=1e-4, atol=1e-5)
            programs.append(counters["stats"]["unique_graphs"])
    assert programs[0] > 0
    assert programs[1] == programs[0], "another length, the same programs"
    assert programs[-1] == programs[0], "another length, with checkpointing: the same programs"
    copied = copy.deepcopy(lvlm, {id(lvlm.tokenizer): lvlm.tokenizer})
    copied.train()
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    changed_S, _ = losses_and_gradients(copied, rows[0])
    assert not torch.allclose(changed_S, expected[0][0]), "the copy runs its own weights"
    assert counters["stats"]["unique_graphs"] == programs[-1]
    lvlm.eval()
    assert all(module._compiled_call_impl is None for module in lvlm.modules()), "asked as it is written"


class StandIn:
    """Liger's kernels in torch's own words: what they compute from the attributes that they are given."""

    def __init__(self) -> None:
        self.used: list[str] = []

    def modules(self) -> dict[str, ModuleType]:
        used = self.used

        class LigerRMSNorm:
            def forward(self, x: Tensor) -> Tensor:
                used.append(self.casting_mode)
                assert (self.in_place, self.row_mode) == (False, None)
                scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
                return (x.float() * scale * (self.offset + self.weight.float())).to(x.dtype)

        class LigerSwiGLUMLP:
            def forward(self, x: Tensor) -> Tensor:
                used.append("swiglu")
                return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))

        class LigerGEGLUMLP:
            def forward(self, x: Tensor) -> Tensor:
                used.append("geglu")
                return self.down_proj(F.gelu(self.gate_proj(x), approximate="tanh") * self.up_proj(x))

        def liger_rotary_pos_emb(q, k, cos, sin, position_ids=None, unsqueeze_dim=1) -> tuple[Tensor, Tensor]:
            used.append("rope")
            assert position_ids is None
            return ROTATION(q, k, cos, sin)

        made = {"": {}, "rms_norm": {"LigerRMSNorm": LigerRMSNorm}, "swiglu": {"LigerSwiGLUMLP": LigerSwiGLUMLP}}
        made |= {"geglu": {"LigerGEGLUMLP": LigerGEGLUMLP}, "rope": {"liger_rotary_pos_emb": liger_rotary_pos_emb}}
        found = {"liger_kernel": ModuleType("liger_kernel")}
        for name, values in made.items():
            module = ModuleType(f"liger_kernel.transformers.{name}".rstrip("."))
            vars(module).update(values)
            found[module.__name__] = module
        return found


@pytest.mark.parametrize(
    ("kind", "kernels"),
    [
        ("llava", {"llama", "swiglu", "rope"}),
        ("internvl3_5", {"llama", "swiglu", "rope"}),
        ("qwen2_5_vl", {"llama", "swiglu", "rope"}),
        ("gemma3", {"gemma", "geglu", "rope"}),
    ],
)
def test_ligers_kernels_get_what_they_need(
    kind: str, kernels: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Epsilon, offset, how to cast, which gate: with the same arithmetic, losses and gradients are the same."""
    lvlm = built(write_family(kind, tmp_path))
    set_trainable(lvlm, {part: TrainPart(lr=1.0) for part in ("projector", "language_model")})
    lvlm.train()
    batch = packed([drawn_sample(np.random.default_rng(0), [(4, 3), (2, 5)], 0, "text").sample()], 10_000)
    axes = lvlm.image_spec.axes
    if axes > 1:
        batch = dataclasses.replace(batch, position_ids_BT=batch.position_ids_BT.expand(axes, -1, -1))
    expected_S, expected = losses_and_gradients(lvlm, batch)
    stand_in, module = StandIn(), sys.modules[type(lvlm.decoder).__module__]
    for name, one in stand_in.modules().items():
        monkeypatch.setitem(sys.modules, name, one)
    monkeypatch.setattr(module, "apply_rotary_pos_emb", module.apply_rotary_pos_emb)  # put back afterwards
    assert use_liger(lvlm.decoder)
    lvlm = copy.deepcopy(lvlm, {id(lvlm.tokenizer): lvlm.tokenizer})  # as a strategy takes it
    found_S, found = losses_and_gradients(lvlm, batch)
    assert set(stand_in.used) == kernels
    torch.testing.assert_close(found_S, expected_S, rtol=1e-5, atol=1e-5)
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)


def test_a_recipe_gets_what_it_asks_for_or_is_told(lvlm: LVLM, monkeypatch: pytest.MonkeyPatch):
    gpu, cpu = {"accelerator": "gpu"}, {"accelerator": "cpu"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert [resolved(Devices(**where)) for where in (gpu, cpu, {})] == ["torch"] * 3
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert [resolved(Devices(**where)) for where in (gpu, cpu, {})] == ["liger", "torch", "torch"]
    assert resolved(Devices(**gpu, layer_kernels="compile")) == "compile"
    assert use_layer_kernels(lvlm, "torch", "auto") == "torch's own"
    with pytest.raises(UserError, match="kernels run on GPUs alone; here is none"):
        use_layer_kernels(lvlm, "liger", "liger")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(layer_kernels, "LLAMA_LIKE", frozenset())
    assert use_layer_kernels(lvlm, "liger", "auto") == "torch's own (Liger does not know LlamaModel)"
    with pytest.raises(UserError, match="liger, which does not know LlamaModel"):
        use_layer_kernels(lvlm, "liger", "liger")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UserError, match="needs a C compiler on every machine that trains"):
        use_layer_kernels(lvlm, "compile", "compile")
