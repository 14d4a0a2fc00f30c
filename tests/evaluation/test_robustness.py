"""PGD: equal to torchattacks' and FG-BMK's own code, inside its ball, inside the pixels' range."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.features.robustness import ATTACKS, Attack, attack_batch, perturb

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def rows():
    return dict(np.load(GOLDEN / "pgd.dev.npz"))


@pytest.fixture(scope="module")
def total():
    return json.loads((GOLDEN / "pgd.dev.total.json").read_text())


def model_of(rows, scale=1.0, dtype=torch.float64):
    weight, bias = (torch.tensor(rows[key], dtype=dtype) for key in ("W", "b"))
    mean, std = (torch.tensor(rows[key], dtype=dtype).view(1, 3, 1, 1) for key in ("mean", "std"))
    return lambda pixels: ((pixels - mean) / std).flatten(1) @ (scale * weight).T + bias


def tensors(rows, key="images", dtype=torch.float64):
    return torch.tensor(rows[key], dtype=dtype), torch.tensor(rows["labels"])


def test_the_default_attack_agrees_with_the_reference(rows, total):
    images, labels = tensors(rows)
    moved = perturb(model_of(rows), images, labels, ATTACKS["default"])
    assert moved.numpy() == pytest.approx(rows["torchattacks_adv"], abs=1e-7)
    accuracy = (model_of(rows)(moved).argmax(1) == labels).double().mean()
    assert float(accuracy) == pytest.approx(total["torchattacks"]["accuracy"], abs=1e-6)


@pytest.mark.parametrize("steps", [10, 20])
def test_the_released_attack_agrees_with_the_reference(rows, total, steps):
    images, labels = tensors(rows, "images_normalised")
    weight, bias = (torch.tensor(rows[key], dtype=torch.float64) for key in ("W", "b"))
    attack = Attack("fgbmk", eps=0.2, alpha=1 / 255, steps=steps, normalised=True)
    moved = perturb(lambda given: given.flatten(1) @ weight.T + bias, images, labels, attack)
    assert moved.numpy() == pytest.approx(rows[f"fgbmk_adv{steps}"], abs=1e-6)
    right = (moved.flatten(1) @ weight.T + bias).argmax(1) == labels
    reference = total["fgbmk_evaluate_adv" if steps == 10 else "fgbmk_evaluate_adv2"]
    assert float(right.double().mean()) == pytest.approx(reference["accuracy"], abs=1e-6)
    assert float((moved - images).abs().max()) == pytest.approx(reference["linf_normalised"], abs=1e-6)
    assert steps != 10 or attack == ATTACKS["fgbmk"]


def test_a_saturated_model_is_left_unmoved_and_that_is_counted(rows, total):
    images, labels = tensors(rows, dtype=torch.float32)
    sharp = model_of(rows, float(rows["sharp_scale"]), torch.float32)
    moved = perturb(sharp, images, labels, ATTACKS["default"])
    assert moved.numpy() == pytest.approx(rows["sharp_torchattacks_adv_float32"], abs=1e-6)
    result = attack_batch(sharp, torch.nn.Identity(), images, labels, (0.0,) * 3, (1.0,) * 3, ATTACKS["default"])
    assert result.unmoved == total["sharp"]["images_left_exactly_unmoved"]
    assert float(result.perturbed.double().mean()) == pytest.approx(total["sharp"]["accuracy"], abs=1e-6)


def test_both_attacks_through_un_normalised_pixels(rows, total):
    """A Featurizer takes pixels 0..1; the released attack moves normalised ones, and must come out the same."""
    images, labels = tensors(rows)
    mean, std = (tuple(rows[key].astype(float)) for key in ("mean", "std"))
    for name, key in (("default", "torchattacks"), ("fgbmk", "fgbmk_evaluate_adv")):
        found = attack_batch(model_of(rows), torch.nn.Identity(), images, labels, mean, std, ATTACKS[name])
        assert float(found.perturbed.double().mean()) == pytest.approx(total[key]["accuracy"], abs=1e-6)
        assert float(found.clean.double().mean()) == pytest.approx(total["clean_accuracy"], abs=1e-6)


def test_the_attack_stays_in_its_ball_and_in_the_pixels_range(rows):
    images, labels = tensors(rows)
    wide = Attack("wide", eps=3 / 255, alpha=2 / 255, steps=5, normalised=False)
    moved = perturb(model_of(rows), images, labels, wide)
    assert (moved - images).abs().max() <= 3 / 255 + 1e-12
    assert moved.min() >= 0
    assert moved.max() <= 1


def test_a_picture_is_attacked_alike_alone_and_in_a_batch(rows):
    images, labels = tensors(rows)
    together = perturb(model_of(rows), images[:6], labels[:6], ATTACKS["default"])
    alone = perturb(model_of(rows), images[3:4], labels[3:4], ATTACKS["default"])
    assert torch.equal(together[3:4], alone)
