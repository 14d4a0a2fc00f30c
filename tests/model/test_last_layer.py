"""Behind its last attention a decoder runs where answers are learnt only, and learns what it would anyway."""

from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from family_fakes import FAMILIES, built, pixels_of, samples_of, write_family, write_pictures
from model_fakes import gradients
from torch import Tensor

import fgtrain.model.lvlm as lvlm_module
from fgtrain.batch import Batch
from fgtrain.data.packing import pack
from fgtrain.model import LVLM, set_trainable
from fgtrain.model.activation_checkpointing import layers_of
from fgtrain.recipe.model_schema import TrainPart

WAYS = {
    "all": {part: TrainPart(lr=1.0) for part in ("vision_encoder", "projector", "language_model")},
    "alignment": {"projector": TrainPart(lr=1.0)},
    "lora": {"language_model": TrainPart.model_validate({"lr": 1.0, "lora": {"rank": 2}})},
}


@contextmanager
def everywhere(decoder: torch.nn.Module, places_S: Tensor):
    yield


def learnt(lvlm: LVLM, batch: Batch) -> tuple[Tensor, dict[str, Tensor], set[int]]:
    """(losses, gradients, rows that the last layer's feed-forward reads)."""
    rows: set[int] = set()
    gate = layers_of(lvlm.decoder)[-1].mlp.gate_proj
    handle = gate.register_forward_hook(lambda module, given, made: rows.add(given[0][..., 0].numel()))
    losses_S = lvlm.token_losses_S(batch)
    losses_S.sum().backward()
    handle.remove()
    return losses_S.detach(), gradients(lvlm), rows


@pytest.mark.parametrize("kind", FAMILIES)
def test_losses_and_gradients_are_those_of_a_whole_last_layer(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = write_family(kind, tmp_path)
    for way, train in WAYS.items():
        lvlm = built(folder)
        samples = samples_of(lvlm, write_pictures(tmp_path))
        batch = pack(samples, 10_000, pixels_NCHW=pixels_of(lvlm, samples))
        set_trainable(lvlm, train)
        lvlm.train()
        found_S, found, rows = learnt(lvlm, batch)
        assert rows == {batch.label_tokens}, f"{way}: only supervised positions"
        with monkeypatch.context() as patched:
            patched.setattr(lvlm_module, "last_layer_only_at", everywhere)
            expected_S, expected, all_rows = learnt(lvlm, batch)
        assert all_rows == {batch.token_ids_BT.numel()}
        torch.testing.assert_close(found_S, expected_S, rtol=1e-5, atol=1e-5)
        assert found.keys() == expected.keys()
        scale = max(float(gradient.abs().max()) for gradient in expected.values())
        for name in expected:
            torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5 * scale, msg=name)
        lvlm.checkpoint_activations(True)
        again_S, again, rows = learnt(lvlm, batch)
        assert rows == all_rows, f"{way}: a checkpointed layer is whole, since it is computed again"
        torch.testing.assert_close(again_S, expected_S, rtol=1e-5, atol=1e-5)
        assert again.keys() == expected.keys()
        assert not layers_of(lvlm.decoder)[-1].mlp._forward_hooks, "nothing is left behind"
