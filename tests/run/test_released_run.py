"""A released LVLM through a whole run: LoRA, bf16, and a checkpoint that its own library opens."""

import shutil
from pathlib import Path

import peft
import torch
import yaml
from run_fakes import SCRATCH, metrics, recipe_values, run_recipe, write_recipe
from transformers import AutoTokenizer, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from data_builders.shared.files import read_json
from fgtrain.recipe import load_recipe


def write_llava(folder: Path) -> Path:
    """LLaVA's architecture in the smallest: 16 image tokens, the words of the drawn world."""
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2, image_size=64, patch_size=16
    )
    text = LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        vocab_size=len(AutoTokenizer.from_pretrained(SCRATCH / "language_model")),
    )
    torch.manual_seed(0)
    LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=text)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(SCRATCH / "language_model" / name, folder)
    shutil.copy(SCRATCH / "vision_encoder" / "preprocessor_config.json", folder)
    return folder


def test_a_released_model_is_tuned_and_stays_what_it_is(place: Path) -> None:
    released = write_llava(place / "llava")
    values = recipe_values(place, name="released", model={"checkpoint": str(released), "max_tokens": 384})
    values["stages"]["sft"]["train"] = {"projector": 1.0e-2, "language_model": {"lr": 1.0e-2, "lora": {"rank": 4}}}
    recipe = load_recipe(write_recipe(place, values), ["devices.precision=bf16"])
    run_recipe(recipe)
    before = LlavaForConditionalGeneration.from_pretrained(released).state_dict()
    after = LlavaForConditionalGeneration.from_pretrained(recipe.run_folder / "sft" / "checkpoint").state_dict()
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    parts = {name.split(".")[1] for name in moved}
    assert parts == {"multi_modal_projector", "language_model"}
    assert not any("embed_tokens" in name or "norm" in name for name in moved)  # LoRA sits on linear layers only
    # What the adapters learnt is kept, and names the checkpoint that it stands on.
    kept = recipe.run_folder / "sft" / "checkpoint" / "adapter"
    base = read_json(kept / "adapter_config.json")["base_model_name_or_path"]
    assert Path(base).samefile(recipe.run_folder / "align" / "checkpoint")
    again = peft.PeftModel.from_pretrained(LlavaForConditionalGeneration.from_pretrained(base), kept)
    for name, value in again.merge_and_unload().state_dict().items():
        torch.testing.assert_close(value, after[name], rtol=1e-5, atol=1e-5)
    card = (recipe.run_folder / "sft" / "checkpoint" / "README.md").read_text()
    head = yaml.safe_load(card.split("---\n")[1])
    assert "license" not in head  # nor a licence that nobody chose
    for said in ("## Stage 1: align", "## Stage 2: sft", "LoRA of rank 4", "| drawn/count |", str(released)):
        assert said in card, said
    train = metrics(recipe.run_folder)
    assert train[-1]["loss"] < train[0]["loss"]
    assert {row["task"] for row in metrics(recipe.run_folder, "eval")} >= {"drawn/count"}
