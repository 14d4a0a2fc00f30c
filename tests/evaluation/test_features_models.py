"""Features are what the architecture's own code gives, whatever shape it comes in."""

import json

import feature_fakes as fakes
import numpy as np
import pytest
import torch
import transformers as hf
from feature_fakes import normalised, pixels
from PIL import Image

from data_builders.shared.errors import UserError
from evaluation.features.loading import load_featurizer
from evaluation.features.towers import qwen_patches
from evaluation.features.transform import dinov2_transform, transform_of
from evaluation.protocols import Featurizer
from evaluation.shared.pretrained import quiet


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    pixels = np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((530, 370)).save(path)
    return path


def vit_like(kind: str):
    config = {
        "vit": lambda: hf.ViTModel(hf.ViTConfig(**fakes.VISION), add_pooling_layer=False),
        "dinov2": lambda: hf.Dinov2Model(hf.Dinov2Config(**fakes.VISION)),
        "registers": lambda: hf.Dinov2WithRegistersModel(hf.Dinov2WithRegistersConfig(**fakes.VISION)),
    }
    return config[kind]()


@pytest.mark.parametrize(("kind", "leading"), [("vit", 1), ("dinov2", 1), ("registers", 5)])
def test_class_tokens_and_mean_patch_are_the_models_own(tmp_path, kind, leading):
    model = vit_like(kind)
    featurizer = load_featurizer(str(fakes.save(model, tmp_path / kind)), device="cpu")
    assert isinstance(featurizer, Featurizer)
    assert featurizer.vectors == ("cls_3", "cls_2", "cls_1", "mean")
    found = featurizer.features(pixels())
    output = model(normalised(featurizer, pixels()), output_hidden_states=True)
    last = output.last_hidden_state  # normed by the model itself
    torch.testing.assert_close(found[:, 2], last[:, 0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[:, 3], last[:, leading:].mean(1), rtol=1e-4, atol=1e-5)
    earlier = model.layernorm(output.hidden_states[-2])
    torch.testing.assert_close(found[:, 1], earlier[:, 0], rtol=1e-4, atol=1e-5)


def test_without_the_final_norm_blocks_are_read_as_they_are(tmp_path):
    model = vit_like("dinov2")
    folder = fakes.save(model, tmp_path / "dinov2")
    raw = load_featurizer(str(folder), final_norm=False, device="cpu")
    normed = load_featurizer(str(folder), device="cpu")
    found = raw.features(pixels())
    torch.testing.assert_close(model.layernorm(found[:, 2]), normed.features(pixels())[:, 2], rtol=1e-4, atol=1e-5)
    assert raw.settings != normed.settings
    assert raw.model_hash == normed.model_hash


@pytest.mark.parametrize(
    ("make", "vectors"),
    [
        (lambda: hf.CLIPVisionModel(hf.CLIPVisionConfig(**fakes.VISION)), ("cls_3", "cls_2", "cls_1", "mean")),
        (lambda: hf.SiglipVisionModel(hf.SiglipVisionConfig(**fakes.VISION)), ("mean_3", "mean_2", "mean_1")),
        (lambda: hf.BeitModel(hf.BeitConfig(**fakes.VISION), False), ("cls_3", "cls_2", "cls_1", "mean")),
        (lambda: hf.MobileNetV2Model(hf.MobileNetV2Config(image_size=32, depth_multiplier=0.35)), ("pooled",)),
        (lambda: hf.ResNetModel(hf.ResNetConfig(embedding_size=8, hidden_sizes=[8] * 4, depths=[1] * 4)), ("pooled",)),
        (lambda: hf.SwinModel(hf.SwinConfig(embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=2, image_size=32,
                                            patch_size=4)), ("pooled",)),
    ],
    ids=["clip", "siglip", "beit", "mobilenet", "resnet", "swin"],
)  # fmt: skip
def test_any_backbone_gives_finite_vectors_with_a_gradient_to_the_pixels(tmp_path, make, vectors):
    featurizer = load_featurizer(
        str(fakes.save(make(), tmp_path / "model", size={"height": 28, "width": 28})), device="cpu"
    )
    assert featurizer.vectors == vectors
    batch = pixels().requires_grad_()
    found = featurizer.features(batch)
    assert found.shape[:2] == (2, len(vectors))
    found.square().sum().backward()
    assert (batch.grad.flatten(1).abs().sum(1) > 0).all()
    torch.testing.assert_close(found[1:], featurizer.features(pixels()[1:]), rtol=1e-3, atol=1e-4)


def test_qwens_patches_are_its_image_processors(picture):
    with quiet():
        processor = hf.Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=56 * 56)
    square = Image.open(picture).convert("RGB").resize((56, 56))
    expected = processor(images=square, return_tensors="pt")
    vision = hf.Qwen2_5_VLConfig().vision_config
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (processor.image_mean, processor.image_std))
    batch = (torch.from_numpy(np.array(square)).permute(2, 0, 1).float()[None] / 255 - mean) / std
    flat, grid = qwen_patches(batch, vision)
    torch.testing.assert_close(flat, expected["pixel_values"], rtol=1e-4, atol=1e-5)
    assert grid.tolist() == expected["image_grid_thw"].tolist()


@pytest.mark.parametrize(
    ("processor", "settings"),
    [
        ("ViTImageProcessorPil", {"size": {"height": 30, "width": 30}, "resample": 2}),
        ("CLIPImageProcessorPil", {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}),
        (
            "BitImageProcessorPil",
            {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}, "resample": 3},
        ),
        ("SiglipImageProcessorPil", {"size": {"height": 33, "width": 33}}),
        ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 28}, "crop_pct": 0.875}),
    ],
)
def test_pixels_are_the_image_processors_own(picture, processor, settings):
    with quiet():
        own = getattr(hf, processor)(**settings)
    expected = own(images=Image.open(picture).convert("RGB"), do_normalize=False, return_tensors="pt")["pixel_values"][
        0
    ]
    transform = transform_of(json.loads(own.to_json_string()), "here")
    found = transform(picture)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1.5 / 255


def test_the_released_view_is_shortest_edge_256_and_the_centre(picture):
    transform = dinov2_transform()
    assert (transform.resize, transform.size, transform.mean) == (256, 224, (0.485, 0.456, 0.406))
    assert transform(picture).shape == (3, 224, 224)


def test_a_model_that_cannot_be_loaded_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="not a hub id"):
        load_featurizer(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no config\.json"):
        load_featurizer(str(tmp_path / "empty"))
    folder = fakes.save(vit_like("vit"), tmp_path / "vit")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match=r"preprocessor_config\.json"):
        load_featurizer(str(folder))
    fakes.write_preprocessor(folder)
    with pytest.raises(UserError, match="no projector"):
        load_featurizer(str(folder), part="projector")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="pickled"):
        load_featurizer(str(folder))
    (folder / "config.json").write_text(json.dumps({"model_type": "x", "auto_map": {"AutoConfig": "a.B"}}))
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"never trusted|cannot be read"):
        load_featurizer(str(folder))


def test_a_missing_tensor_is_an_error_not_a_random_one(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = fakes.save(vit_like("vit"), tmp_path / "vit")
    tensors = load_file(folder / "model.safetensors")
    del tensors[sorted(tensors)[7]]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="missing"):
        load_featurizer(str(folder))
    (folder / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(UserError, match="cannot be read"):
        load_featurizer(str(folder))
