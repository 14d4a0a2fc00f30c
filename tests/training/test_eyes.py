"""Additions for image tokens: contrast against prototypes, and likeness of patches, against the plain formulas."""

import signal
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from launching import launch
from safetensors.torch import load_file
from stage_fakes import CATEGORIES, Case, batch_of, run_case, tiny_lvlm, weights

from fgtrain.errors import UserError
from fgtrain.recipe import load_recipe
from fgtrain.training.objectives.patch_align import PatchAlign
from fgtrain.training.objectives.supcon import SupCon
from fgtrain.training.trainer import StageInterruptedError

EYES = {"supcon": 2.0, "patch_align": 2.0}


def test_the_step_is_the_same_however_it_is_dealt(parts: Path):
    """Contrast within micro-batches would not be. Some ranks have no image in some micro-batches."""
    expected = weights(run_case(Case(parts, "whole", per_device=8, added=EYES)))
    alone = weights(run_case(Case(parts, "alone", per_device=8)))
    assert any(not torch.allclose(alone[name], value, atol=1e-3) for name, value in expected.items())
    saved = str(parts / "two.safetensors")
    launch([Case(parts, "two", strategy="ddp", devices=2, per_device=1, added=EYES, save=saved)])
    found = {"apart": weights(run_case(Case(parts, "apart", per_device=1, added=EYES))), "two": load_file(saved)}
    for where, some in found.items():
        for name, value in expected.items():
            torch.testing.assert_close(some[name], value, rtol=1e-4, atol=1e-5, msg=f"{where} {name}")


def test_prototypes_go_on_where_they_were(parts: Path):
    expected = weights(run_case(Case(parts, "straight", added=EYES)))
    with pytest.raises(StageInterruptedError):
        run_case(Case(parts, "stopped", added=EYES, signal_at=2, signal=int(signal.SIGUSR1)))
    found = weights(run_case(Case(parts, "stopped", added=EYES)))
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_both_are_the_plain_formulas(parts: Path):
    lvlm, case = tiny_lvlm(parts), Case(parts, images="all")
    contrast, align = SupCon(CATEGORIES), PatchAlign()
    with torch.no_grad():
        for step in range(2):  # one that makes prototypes, one that is measured against them
            batch = batch_of(case, step, range(8))
            found = lvlm.learn_from(batch, contrast.of)
            held = lvlm.learn_from(batch, align.of)
            features_NPF = lvlm.encode_images(batch.pixels_NCHW)
            tokens_NPD = lvlm.project(features_NPF)
            samples = [int(name.rpartition("/")[2]) for name in batch.samples]
            units_ND = F.normalize(tokens_NPD.mean(dim=1), dim=1)
            if step == 0:
                assert found.sum == 0
                prototypes = torch.stack(
                    [F.normalize(sum(u for u, s in zip(units_ND, samples, strict=True) if s % 3 == c), dim=0)
                     for c in range(2)]
                )  # fmt: skip
            contrast.step_ended(1)
        expected = sum(
            -torch.log_softmax(prototypes @ unit / 0.1, dim=0)[sample % 3]
            for unit, sample in zip(units_ND, samples, strict=True)
            if sample % 3 < 2
        )
        torch.testing.assert_close(found.sum, expected, rtol=1e-4, atol=1e-4)
        assert contrast.total(batch) == sum(sample % 3 < 2 for sample in samples)
        plain = 0.0
        for tokens_PD, features_PF in zip(tokens_NPD, features_NPF, strict=True):
            one, other = tokens_PD - tokens_PD.mean(0), features_PF - features_PF.mean(0)
            for a in range(len(one)):
                for b in range(len(one)):
                    cosines = [F.cosine_similarity(of[a], of[b], dim=0) for of in (one, other)]
                    plain += (cosines[0] - cosines[1]) ** 2 / len(one) ** 2
        torch.testing.assert_close(held.sum, plain, rtol=1e-3, atol=1e-4)


RECIPE = """
name: eyes
model: {vision_encoder: a, projector: linear, language_model: b}
data: {some: {path: here, rows: 8}}
stages:
  sft:
    train: {language_model: 1.0e-3}
    mix: {some: 1}
    global_batch_size: 8
"""


def test_a_stage_in_which_no_eye_learns_cannot_have_them(tmp_path: Path):
    path = tmp_path / "eyes.yaml"
    path.write_text(RECIPE)
    with pytest.raises(UserError, match=r"auxiliary\.supcon is for image tokens, but neither projector nor"):
        load_recipe(path, ["stages.sft.auxiliary.supcon=0.1"])
    learns = "stages.sft.train.vision_encoder=1.0e-4"
    assert load_recipe(path, ["stages.sft.auxiliary.supcon=0.1", learns])
    with pytest.raises(UserError, match=r"patch_align holds image tokens to the vision encoder's features"):
        load_recipe(path, ["stages.sft.auxiliary.patch_align=0.1", learns])
