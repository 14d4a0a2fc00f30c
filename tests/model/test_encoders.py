"""Image tokens: which layer, which positions, how many, from transformers and from convolutions."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from model_fakes import (
    IMAGE_SIZE,
    clip_config,
    drawn_module,
    logits_of,
    model_values,
    pixels,
    write_preprocessor,
)
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionModel,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    MobileNetV2Config,
    MobileNetV2Model,
    SiglipVisionConfig,
    SiglipVisionModel,
    SwinConfig,
    SwinModel,
    ViTConfig,
    ViTModel,
)

from fgtrain.errors import UserError
from fgtrain.model import build_model, load_checkpoint, model_facts, save_checkpoint

SIZES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
GRID = {"image_size": IMAGE_SIZE, "patch_size": 8}


def write_encoder(folder: Path, make: type, config: object, size: int = IMAGE_SIZE) -> Path:
    drawn_module(make, config).save_pretrained(folder)
    write_preprocessor(folder, size)
    return folder


def mobilenet(folder: Path) -> Path:
    """224 px -> 7 x 7, as the real one, but thin."""
    config = MobileNetV2Config(depth_multiplier=0.1, min_depth=4, depth_divisible_by=4, finegrained_output=False)
    return write_encoder(folder, MobileNetV2Model, config, 224)


@pytest.mark.parametrize("layer", [-1, -2, 0, 2])
@pytest.mark.parametrize(
    ("make", "config", "leading"),
    [
        (ViTModel, ViTConfig(**SIZES, **GRID), 1),
        (CLIPVisionModel, clip_config(), 1),
        (SiglipVisionModel, SiglipVisionConfig(**SIZES, **GRID), 0),
        (Dinov2WithRegistersModel, Dinov2WithRegistersConfig(**SIZES, **GRID, num_register_tokens=4), 5),
    ],
    ids=["ViT", "CLIP", "SigLIP", "DINOv2 with registers"],
)
def test_patch_tokens_of_the_chosen_layer(
    tmp_path: Path, language: Path, make: type, config: object, leading: int, layer: int
):
    folder = write_encoder(tmp_path / "vision", make, config)
    lvlm = build_model(model_values(folder, language, vision_layer=layer), network=False, seed=5)
    own = make.from_pretrained(folder).eval()
    with torch.no_grad():
        states = own(pixel_values=pixels(2), output_hidden_states=True).hidden_states
        features_NPF = lvlm.encode_images(pixels(2))
    assert lvlm.image_spec.tokens == 16 == features_NPF.shape[1]
    assert torch.equal(features_NPF, states[layer][:, leading:])
    assert not torch.equal(states[layer], states[1]), "layers differ"


def test_a_convolutional_map_is_pooled_by_adaptive_averaging(tmp_path: Path, language: Path):
    folder = mobilenet(tmp_path / "vision")
    values = model_values(folder, language, image_size=224, image_tokens=16)
    lvlm = build_model(values, network=False, seed=5)
    assert lvlm.image_spec.tokens == 16
    image = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        map_NFhw = MobileNetV2Model.from_pretrained(folder).eval()(image).last_hidden_state
        features_NPF = lvlm.encode_images(image)
    assert map_NFhw.shape[-2:] == (7, 7)
    expected_NFhw = F.adaptive_avg_pool2d(map_NFhw, 4)
    for place in range(16):  # read row by row
        torch.testing.assert_close(features_NPF[:, place], expected_NFhw[:, :, place // 4, place % 4])
    whole = build_model(values.model_copy(update={"image_tokens": None}), network=False, seed=5)
    assert torch.equal(whole.encode_images(image), map_NFhw.flatten(2).transpose(1, 2))
    assert model_facts(values, network=False).image_tokens == 16
    save_checkpoint(lvlm, tmp_path / "saved", {})
    assert torch.equal(load_checkpoint(tmp_path / "saved").encode_images(image), features_NPF)


def test_patches_are_pooled_where_they_lie(vision: Path, language: Path):
    one, pooled = (
        build_model(model_values(vision, language, image_tokens=tokens), network=False, seed=5).encode_images(pixels(1))
        for tokens in (16, 4)
    )
    corner_F = one[0, [2, 3, 6, 7]].mean(0)  # the 4 x 4 grid's upper right quarter
    torch.testing.assert_close(pooled[0, 1], corner_F)


def test_an_encoder_that_merges_patches(tmp_path: Path, language: Path):
    config = SwinConfig(image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4)
    folder = write_encoder(tmp_path / "vision", SwinModel, config)
    lvlm = build_model(model_values(folder, language), network=False, seed=5)
    assert lvlm.image_spec.tokens == 16
    assert logits_of(lvlm).isfinite().all()


def test_the_eyes_of_a_two_tower_model(tmp_path: Path, language: Path):
    text = CLIPTextConfig(**SIZES, vocab_size=50, max_position_embeddings=8, projection_dim=8)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=clip_config().to_dict(), projection_dim=8)
    folder = write_encoder(tmp_path / "clip", CLIPModel, config)
    lvlm = build_model(model_values(folder, language, vision_layer=-2), network=False, seed=5)
    whole = CLIPModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states = whole.vision_model(pixels(2), output_hidden_states=True).hidden_states
        assert torch.equal(lvlm.encode_images(pixels(2)), states[-2][:, 1:])


def test_what_the_encoder_cannot_give_is_named(vision: Path, language: Path):
    for changes, words in (
        ({"image_tokens": 25}, ["model.image_tokens is 25", str(vision), "4 x 4 = 16"]),
        ({"image_size": 64}, ["model.image_size is 64", str(vision), "image_size: 32"]),
        ({"vision_layer": 9}, ["model.vision_layer is 9", "-4 to 3"]),
    ):
        values = model_values(vision, language, **changes)
        for attempt in (lambda v: build_model(v, network=False, seed=5), lambda v: model_facts(v, network=False)):
            with pytest.raises(UserError) as caught:
                attempt(values)
            for word in words:
                assert word in str(caught.value)
