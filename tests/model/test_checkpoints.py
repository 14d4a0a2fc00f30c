"""A checkpoint is the model, whole or not at all, and opens in other programs."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from model_fakes import logits_of, model_values, write_language_model, write_vision_encoder
from safetensors import safe_open
from transformers import AutoTokenizer

import fgtrain.model.checkpoint as checkpoint
from fgtrain.errors import UserError
from fgtrain.model import LVLM, build_model, load_checkpoint, part_hash, save_checkpoint, set_trainable, weights_hash
from fgtrain.recipe.model_schema import Lora, TrainPart

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_what_was_saved_is_loaded(tmp_path: Path, tied: bool, dtype: torch.dtype):
    language = write_language_model(tmp_path / "language", tie_word_embeddings=tied, dtype=dtype)
    vision = write_vision_encoder(tmp_path / "vision", dtype=dtype)
    values = model_values(vision, language, projector="norm_mlp2x_gelu", image_tokens=4, vision_layer=-2, chat="plain")
    lvlm = build_model(values, network=False, seed=5)
    save_checkpoint(lvlm, tmp_path / "saved", {"stage": "align"})
    again = load_checkpoint(tmp_path / "saved")
    assert torch.equal(logits_of(again), logits_of(lvlm))
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    assert weights_hash(again) == weights_hash(lvlm)
    for part in lvlm.parts:  # a feature cache lives on from one stage to the next
        assert part_hash(again, part) == part_hash(lvlm, part)
    assert (again.chat, again.max_tokens, again.image_spec) == ("plain", 128, lvlm.image_spec)
    assert again.tokenizer("a bird").input_ids == lvlm.tokenizer("a bird").input_ids
    head, embedding = again.lm_head.weight, again.hf.get_input_embeddings().weight
    assert (head is embedding) == tied == again.hf.config.tie_word_embeddings
    stored = safe_open(tmp_path / "saved" / "model.safetensors", "pt").keys()
    assert ("language_model.lm_head.weight" in stored) != tied, "a tied tensor is stored once"
    assert json.loads((tmp_path / "saved" / "fgtrain.json").read_text())["extra"] == {"stage": "align"}
    # The next stage's model: the checkpoint named in a recipe.
    values = model_values(vision, language).model_copy(
        update={
            "vision_encoder": None,
            "projector": None,
            "language_model": None,
            "checkpoint": str(tmp_path / "saved"),
        }
    )
    assert weights_hash(build_model(values, network=False, seed=6)) == weights_hash(lvlm)


def test_transformers_opens_a_checkpoint_by_itself(lvlm: LVLM, tmp_path: Path):
    save_checkpoint(lvlm, tmp_path / "saved", {})
    torch.save(logits_of(lvlm), tmp_path / "logits.pt")
    program = (
        "import sys, torch; sys.path.insert(0, 'tests/model'); import fgtrain.model\n"
        "from transformers import AutoModelForImageTextToText\n"
        "from types import SimpleNamespace as Namespace; from model_fakes import logits_of\n"
        "hf = AutoModelForImageTextToText.from_pretrained(sys.argv[1]).eval()\n"
        "spec = Namespace(tokens=hf.config.image_tokens, size=hf.config.image_size)\n"
        "assert torch.equal(logits_of(Namespace(hf=hf, image_spec=spec)), torch.load(sys.argv[2]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "saved"), str(tmp_path / "logits.pt")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert len(AutoTokenizer.from_pretrained(tmp_path / "saved")) == len(lvlm.tokenizer)


def change(lvlm: LVLM) -> None:
    with torch.no_grad():
        lvlm.parts["projector"][0].weight[0, 0] += 1


def no_space(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("place", ["write", "compare", "into place"])
def test_a_write_that_fails_leaves_the_checkpoint_that_was(
    lvlm: LVLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
):
    folder = tmp_path / "saved"
    save_checkpoint(lvlm, folder, {})
    before = weights_hash(lvlm)
    change(lvlm)
    if place == "write":
        monkeypatch.setattr(lvlm.tokenizer, "save_pretrained", no_space)
    elif place == "compare":
        monkeypatch.setattr(checkpoint, "_compare", no_space)
    else:
        rename = Path.rename
        monkeypatch.setattr(Path, "rename", lambda p, to: no_space() if "writing" in p.name else rename(p, to))
    with pytest.raises(UserError, match="no space left"):
        save_checkpoint(lvlm, folder, {})
    monkeypatch.undo()
    assert weights_hash(load_checkpoint(folder)) == before
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    save_checkpoint(lvlm, folder, {})
    assert weights_hash(load_checkpoint(folder)) == weights_hash(lvlm) != before


def test_others_may_read_a_checkpoint_as_the_umask_says(lvlm: LVLM, tmp_path: Path):
    before = os.umask(0o027)
    try:
        save_checkpoint(lvlm, tmp_path / "saved", {})
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "saved").iterdir()} == {0o640}


def test_what_a_killed_write_left_does_not_stay(lvlm: LVLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "saved"
    save_checkpoint(lvlm, folder, {})
    folder.rename(tmp_path / ".saved.old")  # killed when the new folder was about to take its place
    (tmp_path / ".saved.writing").mkdir()
    (tmp_path / ".saved.writing" / "model.safetensors").write_bytes(b"half")
    monkeypatch.setattr(lvlm.tokenizer, "save_pretrained", no_space)
    with pytest.raises(UserError, match="no space left"):
        save_checkpoint(lvlm, folder, {})
    assert weights_hash(load_checkpoint(folder)) == weights_hash(lvlm)
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_weights_that_read_back_otherwise_are_not_kept(lvlm: LVLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save = lvlm.hf.save_pretrained

    def save_another(folder: Path, **arguments: object) -> None:
        save(folder, **arguments)
        path = folder / "model.safetensors"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1  # one bit on its way to the disk
        path.write_bytes(content)

    monkeypatch.setattr(lvlm.hf, "save_pretrained", save_another)
    with pytest.raises(RuntimeError, match="read back with another"):
        save_checkpoint(lvlm, tmp_path / "saved", {})
    assert list(tmp_path.iterdir()) == []


def test_adapters_are_merged_before_saving(lvlm: LVLM, tmp_path: Path):
    set_trainable(lvlm, {"language_model": TrainPart(lr=1.0, lora=Lora(rank=2))})
    with pytest.raises(RuntimeError, match="merge_adapters"):
        save_checkpoint(lvlm, tmp_path / "saved", {})
    assert list(tmp_path.iterdir()) == []


def test_hashes_change_with_the_weights_and_with_nothing_else(lvlm: LVLM, vision: Path, language: Path):
    again = build_model(model_values(vision, language), network=False, seed=5)
    assert weights_hash(lvlm) == weights_hash(again)
    set_trainable(lvlm, {"projector": TrainPart(lr=1.0)})
    lvlm.train()
    assert weights_hash(lvlm) == weights_hash(again)
    change(lvlm)
    with torch.no_grad():
        lvlm.lm_head.weight[0, 0] += 1
    assert weights_hash(lvlm) != weights_hash(again)
    assert part_hash(lvlm, "vision_encoder") == part_hash(again, "vision_encoder")
    assert part_hash(lvlm, "projector") != part_hash(again, "projector")
    assert part_hash(lvlm, "language_model") != part_hash(again, "language_model")
    with torch.no_grad():
        next(lvlm.parts["vision_encoder"].parameters()).view(-1)[0] += 1
    assert part_hash(lvlm, "vision_encoder") != part_hash(again, "vision_encoder")


def test_a_part_that_computes_something_else_is_another_part(tmp_path: Path, vision: Path, language: Path):
    def hashes(folder: Path = language, **changes: object) -> tuple[str, str]:
        lvlm = build_model(model_values(vision, folder, **changes), network=False, seed=5)
        return part_hash(lvlm, "vision_encoder"), part_hash(lvlm, "language_model")

    eyes, voice = hashes()
    assert hashes(max_tokens=100, projector="linear") == (eyes, voice)
    for changes in ({"vision_layer": -2}, {"image_tokens": 4}):
        other_eyes, same_voice = hashes(**changes)
        assert other_eyes != eyes
        assert same_voice == voice  # text sampled from it serves both
    same_eyes, other_voice = hashes(write_language_model(tmp_path / "language", rms_norm_eps=1e-2))
    assert same_eyes == eyes
    assert other_voice != voice
