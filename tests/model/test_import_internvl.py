"""An imported InternVL, InternViT or InternLM2 computes what the published forward pass computes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from internvl_forward import Weights, decode, internvit, published_logits
from internvl_published import chat_values, internlm2_values, qwen2_values, vision_values, write_chat, write_part
from internvl_tokens import image_id
from model_fakes import model_values
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText

from fgtrain.import_internvl.convert import import_checkpoint
from fgtrain.model import build_model, load_checkpoint, model_facts, save_checkpoint, weights_hash

LIKE_6B = {"norm_type": "rms_norm", "qk_normalization": True, "qkv_bias": False}


def pixels(images: int, size: int = 32) -> Tensor:
    return torch.randn(images, 3, size, size, generator=torch.Generator().manual_seed(images))


def token_ids(values: dict[str, Any], image_tokens: int, length: int = 12) -> Tensor:
    """Text, image tokens, text."""
    generator = torch.Generator().manual_seed(length)
    text = torch.randint(3, 250, (length,), generator=generator)
    image = torch.full((image_tokens,), image_id(values))
    return torch.cat([text[:4], image, text[4:]])[None]


def imported(folder: Path, values: dict[str, Any], **draw: Any) -> tuple[Weights, Any]:
    """(published weights, the imported model as transformers loads it)."""
    weights = write_chat(folder / "src", values, **draw)
    import_checkpoint(folder / "src", folder / "dst")
    return weights, AutoModelForImageTextToText.from_pretrained(folder / "dst", dtype=torch.float32)


def assert_same_logits(model: Any, weights: Weights, values: dict[str, Any], images: int, length: int = 12) -> None:
    pictures = pixels(images, values["force_image_size"]) if images else None
    ids = token_ids(values, images * model.config.image_seq_length, length)
    with torch.no_grad():
        ours = model(input_ids=ids, pixel_values=pictures).logits
    theirs = published_logits(weights, values, ids, pictures)
    assert theirs.abs().max() > 1, "logits far from zero, so that a difference shows"
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


# ---- whole models


@pytest.mark.parametrize(
    ("vision", "language", "outer"),
    [
        ({}, internlm2_values(), {}),
        (LIKE_6B, internlm2_values(bias=True, rope_scaling=None), {}),
        ({}, qwen2_values(), {}),
        (LIKE_6B, qwen2_values(tie_word_embeddings=True), {"select_layer": -2}),
        ({}, internlm2_values(num_key_value_heads=4, tie_word_embeddings=True), {"downsample_ratio": 0.25}),
        ({"image_size": 64}, internlm2_values(num_key_value_heads=1), {"force_image_size": 32, "select_layer": 1}),
    ],
    ids=["300m_internlm2", "6b_biased", "300m_qwen2", "6b_qwen2_tied", "tied_quarter", "interpolated_multi_query"],
)
def test_logits_are_the_published_ones(tmp_path: Path, vision: dict, language: dict, outer: dict):
    values = chat_values(vision_values(**vision), language, **outer)
    weights, model = imported(tmp_path, values, files=3)
    for images in (0, 1, 3):
        assert_same_logits(model, weights, values, images)
    tied = model.lm_head.weight is model.get_input_embeddings().weight
    assert tied == model.config.tie_word_embeddings == language["tie_word_embeddings"]


@pytest.mark.parametrize("kind", ["dynamic", "linear"])
def test_positions_are_stretched_as_published(tmp_path: Path, kind: str):
    language = internlm2_values(max_position_embeddings=24, rope_scaling={"type": kind, "factor": 3.0})
    values = chat_values(vision_values(), language)
    weights, model = imported(tmp_path, values)
    for length in (18, 60, 16):  # within what was trained, beyond, and within again
        assert_same_logits(model, weights, values, 1, length)


def test_tensors_keep_their_type_and_their_values(tmp_path: Path):
    values = chat_values(vision_values(), internlm2_values())
    weights = write_chat(tmp_path / "src", values, files=2, dtype=torch.bfloat16)
    done = import_checkpoint(tmp_path / "src", tmp_path / "dst")
    stored = {k: v for path in sorted((tmp_path / "dst").glob("*.safetensors")) for k, v in load_file(path).items()}
    assert done.files == 2
    assert done.parameters == sum(tensor.numel() for tensor in stored.values())
    assert done.parameters == sum(tensor.numel() for tensor in weights.values())
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}
    assert torch.equal(
        stored["language_model.model.embed_tokens.weight"], weights["language_model.model.tok_embeddings.weight"]
    )
    assert AutoModel.from_pretrained(tmp_path / "dst", dtype="auto").dtype == torch.bfloat16


def test_what_is_written_is_what_transformers_writes(tmp_path: Path):
    values = chat_values(vision_values(), internlm2_values())
    _, model = imported(tmp_path, values)
    model.save_pretrained(tmp_path / "again")
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("dst", "again"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_dropout_stays_where_it_was(tmp_path: Path):
    values = chat_values(vision_values(dropout=0.1, attention_dropout=0.2), internlm2_values())
    write_chat(tmp_path / "src", values)
    done = import_checkpoint(tmp_path / "src", tmp_path / "dst")
    config = AutoConfig.from_pretrained(tmp_path / "dst").vision_config
    assert (config.projection_dropout, config.hidden_dropout_prob, config.attention_dropout) == (0.1, 0.0, 0.2)
    assert any("drop_path_rate" in note for note in done.notes), "what has no counterpart in training is said"


def test_published_code_is_never_run(tmp_path: Path):
    values = chat_values(vision_values(), internlm2_values())
    write_chat(tmp_path / "src", values)  # its code raises
    import_checkpoint(tmp_path / "src", tmp_path / "dst")
    assert not [name for name in sys.modules if name.startswith("transformers_modules")]
    assert not list((tmp_path / "dst").glob("*.py"))
    assert "auto_map" not in "".join(path.read_text() for path in (tmp_path / "dst").glob("*.json"))


# ---- single parts


@pytest.mark.parametrize("changes", [{}, LIKE_6B], ids=["300m", "6b"])
def test_an_encoder_by_itself(tmp_path: Path, changes: dict):
    values = vision_values(**changes)
    weights = write_part(tmp_path / "src", values)
    import_checkpoint(tmp_path / "src", tmp_path / "dst")
    model = AutoModel.from_pretrained(tmp_path / "dst", dtype=torch.float32)
    with torch.no_grad():
        ours = model(pixels(2), output_hidden_states=True)
    theirs = internvit(weights, values, pixels(2))
    assert len(ours.hidden_states) == len(theirs)
    for mine, published in zip([*ours.hidden_states, ours.last_hidden_state], [*theirs, theirs[-1]], strict=True):
        torch.testing.assert_close(mine, published, atol=1e-5, rtol=1e-5)


def test_a_language_model_by_itself(tmp_path: Path):
    values = internlm2_values()
    weights = write_part(tmp_path / "src", values, files=2)
    import_checkpoint(tmp_path / "src", tmp_path / "dst")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "dst", dtype=torch.float32)
    ids = torch.arange(3, 43)[None]
    with torch.no_grad():
        ours = model(ids).logits
    theirs = decode(weights, values, weights["model.tok_embeddings.weight"][ids])
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("imported")
    for name, values in (("vision", vision_values()), ("language", internlm2_values())):
        write_part(folder / f"{name}_src", values)
        import_checkpoint(folder / f"{name}_src", folder / name)
    return folder / "vision", folder / "language"


def test_a_model_composed_of_imported_parts(tmp_path: Path, parts: tuple[Path, Path]):
    values = model_values(*parts, image_tokens=4, chat="chatml")
    lvlm = build_model(values, network=False, seed=5)
    facts = model_facts(values, network=False)
    assert facts.image_tokens == lvlm.image_spec.tokens == 4
    assert facts.notes == ()
    for part, count in facts.parameters.items():
        assert count == sum(parameter.numel() for _, parameter in lvlm.part_parameters(part))
    assert lvlm.image_spec.mean == (0.485, 0.456, 0.406)
    save_checkpoint(lvlm, tmp_path / "saved", {})
    assert weights_hash(load_checkpoint(tmp_path / "saved")) == weights_hash(lvlm)


def test_a_plan_counts_imported_parts(tmp_path: Path, parts: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    from fgtrain.__main__ import main

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"""
name: imported
model: {{vision_encoder: {parts[0]}, projector: linear, language_model: {parts[1]}, image_size: 32, max_tokens: 128}}
data: {{pairs: {{path: "{tmp_path}/none", rows: 640}}}}
stages: {{align: {{train: {{projector: 1.0e-3}}, mix: {{pairs: 1}}, global_batch_size: 64}}}}
evaluation: {{tasks: []}}
""")
    main([str(recipe), "--plan"])
    shown = capsys.readouterr().out
    for folder, auto in zip(parts, (AutoModel, AutoModelForCausalLM), strict=True):
        with torch.device("meta"):
            model = auto.from_config(AutoConfig.from_pretrained(folder))
        assert f"{sum(parameter.numel() for parameter in model.parameters()):,}" in shown


# ---- as a command


@pytest.mark.slow
def test_the_command_and_a_program_without_this_package(tmp_path: Path):
    values = chat_values(vision_values(), internlm2_values())
    weights = write_chat(tmp_path / "src", values)
    words = [sys.executable, "-m", "fgtrain", "import-internvl", str(tmp_path / "src"), str(tmp_path / "dst")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert f"{sum(tensor.numel() for tensor in weights.values()):,} parameters" in done.stdout
    program = (
        "import sys, torch, transformers as t\n"
        "m = t.AutoModelForImageTextToText.from_pretrained(sys.argv[1], dtype=torch.float32)\n"
        "t.AutoTokenizer.from_pretrained(sys.argv[1])\n"
        "assert not any(name.startswith('fgtrain') for name in sys.modules)\n"
        "torch.save(m(input_ids=torch.arange(3, 23)[None]).logits.detach(), sys.argv[2])\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "dst"), str(tmp_path / "logits")], check=True)
    theirs = published_logits(weights, values, torch.arange(3, 23)[None], None)
    torch.testing.assert_close(torch.load(tmp_path / "logits"), theirs, atol=1e-5, rtol=1e-5)
