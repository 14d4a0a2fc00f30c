"""What cannot be imported exactly is refused, by name, and nothing is left behind."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from internvl_published import (
    changed,
    chat_values,
    internlm2_values,
    qwen2_values,
    vision_values,
    write_chat,
    write_part,
    write_weights,
)
from model_fakes import model_values
from safetensors.torch import load_file, save_file

from fgtrain.errors import UserError
from fgtrain.import_internvl import convert
from fgtrain.import_internvl.command import main
from fgtrain.import_internvl.convert import import_checkpoint
from fgtrain.model import build_model, model_facts

WEIGHTS = "model.safetensors"


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    write_chat(tmp_path / "src", chat_values(vision_values(), internlm2_values()))
    return tmp_path / "src"


def refused(src: Path) -> str:
    """The error's text; nothing may have been written."""
    dst = src.parent / "dst"
    with pytest.raises(UserError) as caught:
        import_checkpoint(src, dst)
    assert not dst.exists()
    assert not list(src.parent.glob(".dst*"))
    return str(caught.value)


# ---- configs


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ps_version", "v1"),
        ("template", "phi3-chat"),
        ("use_llm_lora", 16),
        ("pad2square", True),
        ("use_thumbnail", False),
        ("downsample_ratio", 0.3),
        ("select_layer", -5),
        ("fork_token_id", 7),
        ("vision_config__norm_type", "batch_norm"),
        ("vision_config__use_moe", True),
        ("vision_config__num_registers", 4),
        ("vision_config__hidden_size", None),
        ("vision_config__hidden_act", "unheard_of"),
        ("llm_config__architectures", ["Phi3ForCausalLM"]),
        ("llm_config__rope_scaling", {"type": "longrope", "factor": 2.0}),
        ("llm_config__rope_pos_id_version", "v2pe"),
        ("llm_config__sliding_window", 64),
        ("llm_config__num_key_value_heads", 3),
    ],
)
def test_a_value_without_native_counterpart_is_named(chat: Path, key: str, value: Any):
    changed(chat, **{key: value})
    assert key.split("__")[-1] in refused(chat)


def test_an_unknown_value_that_is_switched_off_is_no_hindrance(chat: Path):
    changed(chat, image_fold=None, fork_token_id=None, vision_config__num_registers=0, llm_config__sliding_window=None)
    import_checkpoint(chat, chat.parent / "dst")


def test_what_internvls_own_code_saves_besides_changes_nothing(chat: Path):
    """Its training writes the language model's width once more, and transformers' default of tying everywhere."""
    import_checkpoint(chat, chat.parent / "before")
    width = json.loads((chat / "config.json").read_text(encoding="utf-8"))["llm_config"]["hidden_size"]
    changed(chat, hidden_size=width, vision_config__tie_word_embeddings=True)
    import_checkpoint(chat, chat.parent / "after")
    for name in ("config.json", "model.safetensors"):
        assert (chat.parent / "before" / name).read_bytes() == (chat.parent / "after" / name).read_bytes()
    changed(chat, hidden_size=width + 1)
    assert f"the language model's is {width}" in refused(chat)


def test_query_norms_have_one_epsilon_only(tmp_path: Path):
    write_part(tmp_path / "src", vision_values(qk_normalization=True, layer_norm_eps=1e-5))
    assert "layer_norm_eps" in refused(tmp_path / "src")


def test_a_setting_that_qwen2_does_not_have_is_named(tmp_path: Path):
    write_chat(tmp_path / "src", chat_values(vision_values(), qwen2_values(mrope_section=[4, 6, 6])))
    assert "mrope_section" in refused(tmp_path / "src")


def test_another_kind_of_model_is_named(chat: Path):
    changed(chat, model_type="llava")
    message = refused(chat)
    assert "llava" in message
    assert "internvl_chat" in message


# ---- weights


def test_pickled_weights_are_never_read(chat: Path):
    (chat / WEIGHTS).unlink()
    (chat / "pytorch_model.bin").write_bytes(b"not even a pickle")
    assert "only pickled weights (pytorch_model.bin)" in refused(chat)


def test_missing_and_surplus_tensors_are_listed(chat: Path):
    weights = load_file(chat / WEIGHTS)
    gone = ["mlp1.3.bias", "vision_model.encoder.layers.1.attn.qkv.weight", "language_model.model.norm.weight"]
    weights = {name: tensor for name, tensor in weights.items() if name not in gone}
    weights |= {"language_model.v_head.weight": torch.zeros(1), "vision_model.encoder.layers.7.ls1": torch.zeros(24)}
    save_file(weights, chat / WEIGHTS)
    message = refused(chat)
    for name in (
        "multi_modal_projector.linear_2.bias",
        "vision_tower.encoder.layer.1.attention.q_proj.weight",
        "language_model.model.norm.weight",
        "language_model.v_head.weight",
        "vision_tower.encoder.layer.7.lambda_1",
    ):
        assert name in message
    assert "missing are 5 tensors" in message
    assert "not known are 2 tensors" in message


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("vision_config__image_size", 64, "position_embeddings"),
        ("vision_config__intermediate_size", 40, "mlp.fc1"),
        ("llm_config__num_key_value_heads", 1, "wqkv"),
        ("llm_config__vocab_size", 400, "embed_tokens"),
    ],
)
def test_another_shape_is_named(chat: Path, key: str, value: int, named: str):
    changed(chat, **{key: value})
    assert named in refused(chat)


def test_weights_in_parts(tmp_path: Path):
    src = tmp_path / "src"
    write_chat(src, chat_values(vision_values(), internlm2_values()), files=3)
    second = src / "model-00002-of-00003.safetensors"
    kept = second.read_bytes()
    second.unlink()
    assert second.name in refused(src)
    second.write_bytes(kept[: len(kept) // 2])
    assert second.name in refused(src)
    first = load_file(src / "model-00001-of-00003.safetensors")
    save_file(first, second)
    assert "model-00001-of-00003.safetensors" in refused(src), "a tensor that is there twice"
    second.write_bytes(kept)
    table = json.loads((src / "model.safetensors.index.json").read_text())
    table["weight_map"]["mlp1.9.weight"] = second.name
    (src / "model.safetensors.index.json").write_text(json.dumps(table))
    assert "mlp1.9.weight" in refused(src)
    table["weight_map"]["mlp1.9.weight"] = "../outside.safetensors"
    (src / "model.safetensors.index.json").write_text(json.dumps(table))
    assert "outside" in refused(src)
    (src / "model.safetensors.index.json").unlink()
    assert "model.safetensors.index.json" in refused(src)


def test_tied_weights_that_differ(tmp_path: Path):
    values = internlm2_values(tie_word_embeddings=True)
    weights = write_part(tmp_path / "src", values)
    output = weights["model.tok_embeddings.weight"].clone()
    write_weights(tmp_path / "src", weights | {"output.weight": output})
    import_checkpoint(tmp_path / "src", tmp_path / "equal")
    write_weights(tmp_path / "src", weights | {"output.weight": output + 1})
    assert "tie_word_embeddings" in refused(tmp_path / "src")


def test_weights_of_whole_numbers(chat: Path):
    weights = load_file(chat / WEIGHTS)
    weights["mlp1.1.weight"] = weights["mlp1.1.weight"].to(torch.int8)
    save_file(weights, chat / WEIGHTS)
    assert "mlp1.1.weight is I8" in refused(chat)


# ---- tokenizers


def test_an_added_token_that_would_move_is_refused(chat: Path):
    path = chat / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    tokens = settings["added_tokens_decoder"]
    tokens[str(max(map(int, tokens)) + 2)] = {"content": "<far>", "special": True}  # one id is left out
    path.write_text(json.dumps(settings))
    assert "'<far>'" in refused(chat)


def test_a_tokenizer_without_image_tokens(chat: Path):
    write_part(chat.parent / "part", internlm2_values())
    for name in ("tokenizer_config.json", "added_tokens.json"):
        (chat / name).write_bytes((chat.parent / "part" / name).read_bytes())
    assert "<IMG_CONTEXT>" in refused(chat)


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"<html>"])
def test_a_broken_tokenizer(chat: Path, content: bytes):
    (chat / "tokenizer.model").write_bytes(content)
    assert "tokenizer.model" in refused(chat)


def test_no_tokenizer(chat: Path):
    (chat / "tokenizer.model").unlink()
    assert "tokenizer.model" in refused(chat)


# ---- writing


def test_a_failure_leaves_nothing(chat: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    dst = chat.parent / "dst"
    monkeypatch.setattr(convert.Extras, "write", fail)
    assert "no space left" in refused(chat)
    monkeypatch.setattr(convert.Extras, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        import_checkpoint(chat, dst)
    assert not dst.exists()
    assert not list(chat.parent.glob(".dst*"))


def test_what_is_there_is_not_written_over(chat: Path):
    dst = chat.parent / "dst"
    dst.mkdir()
    import_checkpoint(chat, dst)  # empty: fine
    before = {path: path.read_bytes() for path in dst.iterdir()}
    with pytest.raises(UserError, match="there already"):
        import_checkpoint(chat, dst)
    assert before == {path: path.read_bytes() for path in dst.iterdir()}


def test_too_little_space_is_said_before_anything_is_written(chat: Path, monkeypatch: pytest.MonkeyPatch):
    usage = convert.shutil.disk_usage("/")
    monkeypatch.setattr(convert.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert "GB are free" in refused(chat)


def test_a_source_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for src in (str(tmp_path / "none"), "someone/not-in-the-cache"):
        with pytest.raises(UserError, match="no such folder"):
            main([src, str(tmp_path / "dst")])


# ---- in a recipe


def test_an_unread_part_names_the_command_that_imports_it(tmp_path: Path):
    eyes, voice = tmp_path / "published eyes", tmp_path / "voice"
    write_part(eyes, vision_values())
    write_part(voice, internlm2_values())
    facts = model_facts(model_values(eyes, voice), network=False)
    assert sum("python -m fgtrain import-internvl" in note for note in facts.notes) == 2
    with pytest.raises(UserError, match=r"python -m fgtrain import-internvl") as caught:
        build_model(model_values(eyes, voice), network=False, seed=5)
    words = shlex.split(str(caught.value).split("import-internvl ")[1].split(",")[0])
    assert words == [str(eyes), "NEW_FOLDER"]
    main([words[0], str(tmp_path / "eyes")])
    main([str(voice), str(tmp_path / "ears")])
    build_model(model_values(tmp_path / "eyes", tmp_path / "ears"), network=False, seed=5)


def test_a_whole_model_as_checkpoint_names_it_too(chat: Path):
    from fgtrain.recipe.model_schema import Model

    with pytest.raises(UserError, match=r"import-internvl .* checkpoint: NEW_FOLDER"):
        build_model(Model(checkpoint=str(chat)), network=False, seed=5)
