"""A composed checkpoint gives evaluation its encoder's features, and those its language model gets."""

import json

import pytest
import torch

from data_builders.shared.errors import UserError
from evaluation.protocols import Featurizer
from fgtrain.data import ImageRef, render
from fgtrain.model import save_checkpoint
from fgtrain.training.featurizer import load_featurizer


@pytest.fixture
def folder(lvlm, tmp_path):
    save_checkpoint(lvlm, tmp_path / "saved", {})
    return tmp_path / "saved"


def pixels(featurizer):
    side = featurizer.transform.size
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))


def normalised(featurizer):
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (featurizer.mean, featurizer.std))
    return (pixels(featurizer) - mean) / std


def test_before_and_after_the_projector(lvlm, folder):
    encoder = load_featurizer(str(folder), device="cpu")
    aligned = load_featurizer(str(folder), part="projector", device="cpu")
    assert isinstance(encoder, Featurizer)
    assert "cls_1" in encoder.vectors
    expected = lvlm.parts["projector"](lvlm.hf.encode_images(normalised(aligned))).mean(1)
    torch.testing.assert_close(aligned.features(pixels(aligned))[:, 0], expected)
    assert encoder.features(pixels(encoder)).shape[1] == len(encoder.vectors)


def test_training_the_projector_leaves_the_encoders_features_as_they_were(lvlm, folder, tmp_path):
    with torch.no_grad():
        for parameter in lvlm.parts["projector"].parameters():
            parameter.add_(0.1)
    save_checkpoint(lvlm, tmp_path / "trained", {})
    before, after = (load_featurizer(str(one), device="cpu") for one in (folder, tmp_path / "trained"))
    assert (before.model_hash, before.settings) == (after.model_hash, after.settings)
    before, after = (
        load_featurizer(str(one), part="projector", device="cpu") for one in (folder, tmp_path / "trained")
    )
    assert before.model_hash != after.model_hash


def test_pictures_become_the_pixels_of_training(lvlm, folder, tmp_path):
    from PIL import Image

    Image.effect_noise((50, 30), 80).convert("RGB").save(tmp_path / "picture.png")
    featurizer = load_featurizer(str(folder), device="cpu")
    [own] = torch.from_numpy(render(ImageRef(tmp_path / "picture.png"), lvlm.image_spec))
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (featurizer.mean, featurizer.std))
    torch.testing.assert_close((featurizer.pixels(tmp_path / "picture.png") - mean) / std, own, rtol=0, atol=1e-5)


def test_other_models_are_left_to_evaluation_and_another_size_is_refused(folder, tmp_path):
    assert load_featurizer("owner/name") is None
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    assert load_featurizer(str(tmp_path)) is None
    with pytest.raises(UserError, match="its own view"):
        load_featurizer(str(folder), view="dinov2")
