"""Released families through a whole run, as its user starts it: tiles, and pictures in their own size."""

import shutil
from pathlib import Path

import pytest
import torch
from run_fakes import SCRATCH, command, metrics, recipe_values, run_recipe, write_recipe
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLVisionConfig,
    LlamaConfig,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

from data_builders.shared.files import read_json, write_json
from fgtrain.model import load_checkpoint
from fgtrain.recipe import load_recipe

TOKENS = ["<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>"]
TOKENS += ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
SIZES = {"hidden_size": 32, "intermediate_size": 48}
TEXT = SIZES | {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "bos_token_id": None}
LOOK = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 3}


def write_internvl(folder: Path) -> Path:
    tokenizer = write_tokenizer(folder)
    vision = InternVLVisionConfig(
        **SIZES, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8, layer_scale_init_value=1.0
    )
    config = InternVLConfig(
        vision_config=vision,
        text_config=LlamaConfig(**TEXT, vocab_size=len(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    torch.manual_seed(0)
    InternVLForConditionalGeneration(config).save_pretrained(folder)
    settings = {"size": {"height": 32, "width": 32}, "crop_to_patches": True, "min_patches": 1, "max_patches": 12}
    write_json(folder / "preprocessor_config.json", settings | LOOK)
    return folder


def write_qwen(folder: Path) -> Path:
    tokenizer = write_tokenizer(folder)
    vision = {"depth": 2, "num_heads": 2, "patch_size": 8, "window_size": 32, "out_hidden_size": 32}
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 1, 1]}
    config = Qwen2_5_VLConfig(
        vision_config={**SIZES, **vision, "fullatt_block_indexes": [1]},
        text_config={**TEXT, "vocab_size": len(tokenizer), "rope_parameters": rope, "max_position_embeddings": 2048},
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    )
    torch.manual_seed(0)
    Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
    settings = {"min_pixels": 256, "max_pixels": 64 * 64, "patch_size": 8, "merge_size": 2}
    write_json(folder / "preprocessor_config.json", settings | LOOK)
    return folder


def write_tokenizer(folder: Path) -> AutoTokenizer:
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(SCRATCH / "language_model" / name, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": TOKENS})
    tokenizer.save_pretrained(folder)
    return tokenizer


@pytest.mark.parametrize(
    ("write", "changes", "chat", "settings"),
    [
        (write_internvl, {"max_tiles": 4}, "internvl3", {"max_patches": 4, "crop_to_patches": True}),
        (write_qwen, {"max_pixels": 48 * 48}, "qwen2_5_vl", {"max_pixels": 48 * 48}),
    ],
    ids=["internvl", "qwen2_5_vl"],
)
def test_a_released_family_is_trained_asked_and_saved(place: Path, write, changes, chat, settings) -> None:
    released = write(place / "released")
    values = recipe_values(place, name="family", model={"checkpoint": str(released), "max_tokens": 384, **changes})
    values["stages"]["align"]["mix"] = {"count": 1}
    values["stages"]["sft"] = {
        **values["stages"]["sft"],
        "train": {"vision_encoder": 1.0e-3, "projector": 1.0e-3, "language_model": {"lr": 1.0e-2, "lora": {"rank": 4}}},
        "mix": {"count": 1, "document": 0.5},
    }
    values["evaluation"]["at"] = ["sft"]
    recipe = write_recipe(place, values)
    if write is write_internvl:
        status, output = command(recipe)
        assert status == 0, output
    else:
        run_recipe(load_recipe(recipe))
    run = place / "runs" / "family"
    train = metrics(run)
    assert train[-1]["loss"] < train[0]["loss"]
    assert {row["task"] for row in metrics(run, "eval")} >= {"drawn/count"}
    moved = {}
    before = AutoModelForImageTextToText.from_pretrained(released).state_dict()
    for stage in ("align", "sft"):
        folder = run / stage / "checkpoint"
        after = AutoModelForImageTextToText.from_pretrained(folder).state_dict()
        assert before.keys() == after.keys()
        moved[stage] = {name for name in before if not torch.equal(before[name], after[name])}
        lvlm = load_checkpoint(folder)
        assert lvlm.chat == chat
        assert settings.items() <= read_json(folder / "preprocessor_config.json").items()
        before = after
    aligned = {name.rsplit(".", 2)[0].rsplit(".", 1)[-1] for name in moved["align"]}
    assert all("multi_modal_projector" in name or "visual.merger" in name for name in moved["align"]), aligned
    assert moved["align"]
    assert any("patch_embed" in name for name in moved["sft"])
    assert any("q_proj" in name for name in moved["sft"])
