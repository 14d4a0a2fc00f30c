"""FG-BMK's models by name: each preset's loading code reads a tiny random model of the same architecture."""

import importlib

import feature_fakes as fakes
import pytest
import torch
import transformers as hf
from feature_fakes import normalised, pixels

from data_builders.shared.errors import UserError
from evaluation.features.internvit import INTERNVIT_NAMES
from evaluation.features.loading import load_featurizer
from evaluation.features.presets import PRESETS, describe_presets, load_preset
from evaluation.features.qwen_vl import QwenVLTower
from evaluation.features.training_facts import FACTS


def llava(tmp_path):
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**fakes.VISION),
        text_config=hf.LlamaConfig(**fakes.TEXT),
        image_token_index=63,
    )
    return hf.LlavaForConditionalGeneration(config)


def internvl(tmp_path):
    vision = hf.InternVLVisionConfig(**{**fakes.VISION, "image_size": [28, 28], "patch_size": [14, 14]})
    config = hf.InternVLConfig(vision_config=vision, text_config=hf.Qwen2Config(**fakes.TEXT), image_token_id=63)
    return hf.InternVLForConditionalGeneration(config)


def qwen(tmp_path):
    vision = {
        "depth": 3, "hidden_size": 32, "num_heads": 4, "intermediate_size": 48, "out_hidden_size": 24, "patch_size": 14,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 28, "fullatt_block_indexes": [2],
    }  # fmt: skip
    scaling = {"type": "mrope", "mrope_section": [2, 2, 2]}
    config = hf.Qwen2_5_VLConfig(
        vision_config=vision, text_config={**fakes.TEXT, "rope_scaling": scaling}, image_token_id=63
    )
    return hf.Qwen2_5_VLForConditionalGeneration(config)


def blip2(tmp_path):
    qformer = {**fakes.SMALL, "num_hidden_layers": 1, "encoder_hidden_size": 32, "vocab_size": 64}
    text = hf.T5Config(d_model=24, d_kv=8, d_ff=32, num_layers=1, num_heads=2, vocab_size=64)
    config = hf.Blip2Config(
        vision_config=hf.Blip2VisionConfig(**fakes.VISION).to_dict(), qformer_config=qformer,
        text_config=text.to_dict(), num_query_tokens=4,
    )  # fmt: skip
    return hf.Blip2ForConditionalGeneration(config)


LVLMS = {
    "llava-1.5-7b": (llava, "encoder", ("cls_3", "cls_2", "cls_1", "mean")),
    "internvl3-8b": (internvl, "encoder", ("cls_3", "cls_2", "cls_1", "mean")),
    "qwen2.5-vl-7b": (qwen, "encoder", ("mean_3", "mean_2", "mean_1")),
    "blip-2-flan-t5-xl": (blip2, "encoder", ("cls_3", "cls_2", "cls_1", "mean")),
}


@pytest.mark.parametrize("name", LVLMS)
def test_an_lvlms_tower_before_and_after_its_projector(tmp_path, name):
    make, _, vectors = LVLMS[name]
    model = make(tmp_path)
    folder = fakes.save(model, tmp_path / "lvlm")
    encoder = load_preset(f"{name}={folder}", image_size=56, device="cpu")
    assert (encoder.name, encoder.vectors, encoder.transform.size) == (name, vectors, 56)
    batch = pixels(side=56).requires_grad_()
    encoder.features(batch).sum().backward()
    assert batch.grad.abs().sum() > 0
    aligned = load_featurizer(
        str(folder), part="projector", image_size=28 if name != "qwen2.5-vl-7b" else 56, device="cpu"
    )
    assert aligned.vectors == ("pooled",)
    assert aligned.features(pixels(side=aligned.transform.size)).shape == (2, 1, 24)  # the language model's width
    assert aligned.model_hash != encoder.model_hash


def test_llavas_projector_output_is_what_its_language_model_gets(tmp_path):
    model = llava(tmp_path)
    featurizer = load_featurizer(str(fakes.save(model, tmp_path / "llava")), part="projector", device="cpu")
    expected = torch.stack(list(model.model.get_image_features(normalised(featurizer, pixels())).pooler_output)).mean(1)
    torch.testing.assert_close(featurizer.features(pixels())[:, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "make", "final_norm"),
    [
        ("dinov2-l", lambda: hf.Dinov2Model(hf.Dinov2Config(**fakes.VISION)), True),
        ("vit-l", lambda: hf.ViTModel(hf.ViTConfig(**fakes.VISION), add_pooling_layer=False), False),
    ],
)
def test_an_encoders_preset_norms_its_blocks_as_published(tmp_path, name, make, final_norm):
    model = make().eval()
    preset = load_preset(f"{name}={fakes.save(model, tmp_path / 'encoder')}", image_size=28, device="cpu")
    assert (preset.name, preset.vectors) == (name, ("cls_3", "cls_2", "cls_1", "mean"))
    output = model(normalised(preset, pixels()), output_hidden_states=True)
    expected = output.last_hidden_state if final_norm else output.hidden_states[-1]
    torch.testing.assert_close(preset.features(pixels())[:, 2], expected[:, 0], rtol=1e-4, atol=1e-5)


def test_internvit_under_its_first_names_gives_transformers_own_features(tmp_path):
    config = hf.InternVLVisionConfig(
        **{**fakes.VISION, "image_size": [28, 28], "patch_size": [14, 14]},
        use_qk_norm=True, norm_type="rms_norm", attention_bias=False,
    )  # fmt: skip
    model = hf.InternVLVisionModel(config)
    fakes.save(model, tmp_path / "native")
    tensors: dict[str, torch.Tensor] = {}
    for name, value in model.state_dict().items():
        for old, new in reversed(INTERNVIT_NAMES):
            name = name.replace(new, old)
        tensors["vision_model." + name] = value
    for layer in range(3):
        lead = f"vision_model.encoder.layers.{layer}.attn."
        cut = [tensors.pop(f"{lead}{part}_proj.weight") for part in "qkv"]
        tensors[lead + "qkv.weight"] = torch.cat(cut)
    vision = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 28,
        "patch_size": 14, "qk_normalization": True, "qkv_bias": False, "norm_type": "rms_norm",
    }  # fmt: skip
    files = {"config.json": {"model_type": "internvl_chat", "vision_config": vision}}
    folder = fakes.save_layout(tmp_path / "released", tensors, files)
    fakes.write_preprocessor(folder)
    released = load_preset(f"internvl-chat-v1.1={folder}", device="cpu")
    native = load_featurizer(str(tmp_path / "native"), final_norm=False, device="cpu")
    torch.testing.assert_close(released.features(pixels()), native.features(pixels()))
    with pytest.raises(UserError, match="projector is not read"):
        load_preset(f"internvl-chat-v1.1={folder}", part="projector", device="cpu")
    lost = tensors.pop("vision_model.encoder.layers.1.norm2.weight")
    for wrong in ({}, {"vision_model.encoder.layers.1.norm2.weight": lost[:-1]}):
        fakes.save_layout(folder, tensors | wrong, files)
        with pytest.raises(UserError, match=r"1 tensors are missing or of another shape, first encoder\.layer\.1"):
            load_preset(f"internvl-chat-v1.1={folder}", device="cpu")


def test_qwen_vls_first_tower_interleaves_query_key_and_value_by_head(tmp_path):
    torch.manual_seed(0)
    tower = QwenVLTower(width=32, layers=2, heads=4, hidden=48, patch=14, positions=16)
    torch.nn.init.normal_(tower.positional_embedding)
    tensors = {"transformer.visual." + name: value for name, value in tower.state_dict().items()}
    assert "transformer.visual.transformer.resblocks.1.mlp.c_proj.weight" in tensors
    visual = {"width": 32, "layers": 2, "heads": 4, "patch_size": 14, "image_size": 56, "mlp_ratio": 1.5}
    folder = fakes.save_layout(tmp_path / "qwen", tensors, {"config.json": {"visual": visual}})
    featurizer = load_preset(f"qwen-vl-chat={folder}", device="cpu")
    assert featurizer.vectors == ("mean_2", "mean_1")
    found = featurizer.features(pixels(side=56))
    tokens = tower(normalised(featurizer, pixels(side=56)))
    torch.testing.assert_close(found[:, 1], tokens.mean(1))
    # one head's attention, written out from the joint projection's rows of that head
    block = tower.transformer["resblocks"][0].attn
    torch.nn.init.eye_(block.out_proj.weight)
    torch.nn.init.zeros_(block.out_proj.bias)
    given = torch.randn(1, 5, 32)
    third = block.in_proj(given)[0, :, 2 * 24 : 3 * 24]
    query, key, value = third[:, :8], third[:, 8:16], third[:, 16:]
    expected = (query @ key.T / 8**0.5).softmax(1) @ value
    torch.testing.assert_close(block(given)[0, :, 16:24], expected, rtol=1e-4, atol=1e-5)


def test_every_preset_has_its_facts_and_closed_models_say_why_they_have_no_features():
    assert set(FACTS) == {name for name, preset in PRESETS.items() if preset.loader != "closed"}
    text = describe_presets()
    assert all(name in text for name in PRESETS)
    with pytest.raises(UserError, match="publishes no weights"):
        load_preset("gpt-4o")


def why_no_timm() -> str:
    """Empty where the extra can be imported: torchvision may be there and still not fit this torch."""
    try:
        for name in ("torchvision", "timm", "open_clip"):
            importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        return f"the extra `timm` cannot be imported: {error}"
    return ""


TORCHVISION = pytest.mark.skipif(bool(why_no_timm()), reason=why_no_timm() or "-")


@TORCHVISION
@pytest.mark.parametrize(
    ("preset", "architecture", "arguments"),
    [
        ("eva-clip-l", "eva02_large_patch14_clip_224", {"embed_dim": 64, "depth": 2, "num_heads": 4, "img_size": 56}),
        ("beit3-l", "beit3_large_patch16_224", {"embed_dim": 64, "depth": 2, "num_heads": 4, "img_size": 64}),
    ],
)
def test_timm_presets_read_a_tiny_model_of_their_architecture(tmp_path, preset, architecture, arguments):
    import timm

    model = timm.create_model(architecture, pretrained=False, num_classes=0, **arguments).eval()
    size = arguments["img_size"]
    about = {"input_size": [3, size, size], "mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 1.0}
    config = {"architecture": architecture, "num_classes": 0, "model_args": arguments, "pretrained_cfg": about}
    folder = fakes.save_layout(tmp_path / "timm", model.state_dict(), {"config.json": config})
    featurizer = load_preset(f"{preset}={folder}", device="cpu")
    assert featurizer.vectors == ("cls_2", "cls_1", "mean")
    tokens, _ = [], model.blocks[-1].register_forward_hook(lambda *call: tokens.append(call[2]))
    model.forward_features(normalised(featurizer, pixels(side=size)))
    found = featurizer.features(pixels(side=size))
    torch.testing.assert_close(found[:, 1], tokens[0][:, 0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[:, 2], tokens[0][:, 1:].mean(1), rtol=1e-4, atol=1e-5)


@TORCHVISION
def test_coca_reads_a_tiny_model_of_its_architecture(tmp_path):
    import open_clip

    vision = {
        "image_size": 28, "layers": 2, "width": 64, "patch_size": 14, "attentional_pool": True, "attn_pooler_heads": 4,
        "head_width": 16, "output_tokens": True,
    }  # fmt: skip
    tower = open_clip.model._build_vision_tower(32, vision).eval()
    tensors = {"visual." + name: value for name, value in tower.state_dict().items()}
    config = {
        "model_cfg": {"embed_dim": 32, "vision_cfg": vision},
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
    }
    folder = fakes.save_layout(tmp_path / "coca", tensors, {"open_clip_config.json": config})
    featurizer = load_preset(f"coca-l={folder}", device="cpu")
    assert featurizer.vectors == ("cls_2", "cls_1", "mean")
    tokens, _ = [], tower.transformer.resblocks[-1].register_forward_hook(lambda *call: tokens.append(call[2]))
    tower(normalised(featurizer, pixels()))
    torch.testing.assert_close(featurizer.features(pixels())[:, 1], tokens[0][:, 0], rtol=1e-4, atol=1e-5)


def test_an_unfit_picture_size_is_refused_before_anything_runs(tmp_path):
    folder = fakes.save(qwen(tmp_path), tmp_path / "qwen")
    with pytest.raises(UserError, match="multiple of 28"):
        load_featurizer(str(folder), image_size=40)
