"""A checkpoint that is not what was saved is refused, by name of the file; how it is cut into files decides nothing."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from model_fakes import logits_of, model_values
from transformers import AutoModelForImageTextToText

import fgtrain.model.checkpoint as checkpoint
from fgtrain.errors import UserError
from fgtrain.model import LVLM, build_model, load_checkpoint, save_checkpoint, weights_hash
from fgtrain.recipe.model_schema import Model


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


HARM: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a bit of the weights": ("model.safetensors", flip, "altered or cut off"),
    "weights cut off": ("model.safetensors", cut, "altered or cut off"),
    "an edited config": ("config.json", lambda p: p.write_text(p.read_text() + " "), "altered or cut off"),
    "another tokenizer": ("tokenizer.json", flip, "altered or cut off"),
    "another chat": ("chat_template.jinja", flip, "altered or cut off"),
    "other notes": ("fgtrain.json", flip, "altered or cut off"),
    "no config": ("config.json", Path.unlink, "is missing, but SHA256SUMS lists it"),
    "no tokenizer": ("tokenizer.json", Path.unlink, "is missing, but SHA256SUMS lists it"),
    "half written": ("SHA256SUMS", Path.unlink, "not written to its end"),
    "sums cut off": ("SHA256SUMS", cut, "SHA256SUMS is cut off"),
    "other sums": ("SHA256SUMS", lambda p: p.write_text("x\n"), "line 1, is no checksum"),
    "weights from elsewhere": ("more.safetensors", lambda p: p.write_bytes(b"x"), "was not saved with this checkpoint"),
}


@pytest.fixture(scope="module")
def whole(vision: Path, language: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "saved"
    save_checkpoint(build_model(model_values(vision, language), network=False, seed=5), folder, {})
    return folder


@pytest.mark.parametrize("harm", HARM)
def test_what_was_altered_is_refused(whole: Path, tmp_path: Path, harm: str):
    folder = Path(shutil.copytree(whole, tmp_path / "saved"))
    name, change, words = HARM[harm]
    change(folder / name)
    for attempt in (
        lambda: load_checkpoint(folder),
        lambda: build_model(Model(checkpoint=str(folder), max_tokens=128), network=False, seed=5),
    ):
        with pytest.raises(UserError) as caught:
            attempt()
        for word in (str(folder), words, "" if name == "SHA256SUMS" else name, f"Remove {folder}"):
            assert word in str(caught.value)


def test_what_lies_beside_it_does_no_harm(lvlm: LVLM, tmp_path: Path):
    save_checkpoint(lvlm, tmp_path / "saved", {})
    (tmp_path / "saved" / "README.md").write_text("mine")
    assert weights_hash(load_checkpoint(tmp_path / "saved")) == weights_hash(lvlm)
    done = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path / "saved", capture_output=True, text=True
    )
    assert done.returncode == 0, "coreutils reads the same file"
    assert done.stdout.count(": OK") == len(list((tmp_path / "saved").iterdir())) - 2


def test_weights_in_several_files_are_the_same_weights(lvlm: LVLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoint, "SHARD", "20KB")
    save_checkpoint(lvlm, tmp_path / "saved", {})
    files = sorted(path.name for path in (tmp_path / "saved").glob("*.safetensors"))
    assert len(files) > 3
    index = json.loads((tmp_path / "saved" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == set(files)
    again = load_checkpoint(tmp_path / "saved")
    assert weights_hash(again) == weights_hash(lvlm)
    assert torch.equal(logits_of(again), logits_of(lvlm))
    native = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved")
    assert all(torch.equal(tensor, lvlm.hf.state_dict()[name]) for name, tensor in native.state_dict().items())
    (tmp_path / "saved" / files[1]).unlink()
    with pytest.raises(UserError, match=files[1]):
        load_checkpoint(tmp_path / "saved")


def test_reading_back_loads_no_second_model(lvlm: LVLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Only one tensor after the other: a model of 8 B parameters beside itself would not fit."""
    monkeypatch.setattr(type(lvlm.hf), "from_pretrained", lambda *a, **k: pytest.fail("loaded whole"))
    save_checkpoint(lvlm, tmp_path / "saved", {})
    assert (tmp_path / "saved" / "SHA256SUMS").is_file()
