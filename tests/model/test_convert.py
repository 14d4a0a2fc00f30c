"""Pickled weights become safetensors without running anything; layouts of other programs are told from each other."""

import json
import pickle
import shlex
from pathlib import Path

import pytest
import torch
from model_fakes import model_values, write_language_model, write_vision_encoder
from safetensors.torch import load_file

from fgtrain import convert
from fgtrain.errors import UserError
from fgtrain.model import build_model
from fgtrain.model.sources import Source


def pickled(folder: Path, shards: int = 1, legacy: bool = False) -> dict[str, torch.Tensor]:
    """The folder's weights as pickles, as published; what they are."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    if shards == 1:
        files = {"pytorch_model.bin": names}
    else:
        files = {f"pytorch_model-{i + 1:05d}-of-{shards:05d}.bin": names[i::shards] for i in range(shards)}
        table = {name: file for file, inside in files.items() for name in inside}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": table}), encoding="utf-8")
    for number, (file, inside) in enumerate(files.items()):
        held = {name: weights[name].T.contiguous().T for name in inside}  # not as safetensors would lay them out
        held |= {} if number else {"embeddings.position_ids": torch.arange(4)}
        torch.save(held, folder / file, _use_new_zipfile_serialization=not legacy)
    return weights


@pytest.mark.parametrize(("shards", "legacy"), [(1, False), (1, True), (3, False)])
@pytest.mark.filterwarnings("ignore:The use of `x.T`")
def test_every_tensor_is_the_same_and_the_model_is_built_of_it(tmp_path, shards, legacy):
    eyes, voice = tmp_path / "published eyes", tmp_path / "voice"
    write_vision_encoder(eyes)
    write_language_model(voice)
    weights = pickled(eyes, shards, legacy)
    with pytest.raises(UserError, match=r"python -m fgtrain convert") as caught:
        build_model(model_values(eyes, voice), network=False, seed=5)
    words = shlex.split(str(caught.value).split("fgtrain convert ")[1].split(",")[0])
    assert words == [str(eyes), "NEW_FOLDER"]
    dst = tmp_path / "eyes"
    convert.main([words[0], str(dst)])
    made = {name: tensor for file in dst.glob("*.safetensors") for name, tensor in load_file(file).items()}
    assert made.keys() == weights.keys()
    assert all(torch.equal(made[name], weights[name]) and made[name].dtype == weights[name].dtype for name in weights)
    assert not list(dst.glob("*.bin*"))
    build_model(model_values(dst, voice), network=False, seed=5)


class Runs:
    """A pickle that writes a file when it is read without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.write_text, (self.path, "was run")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda folder: {"a": torch.ones(1), "b": Runs(folder / "trace")}, "nothing of it was run"),
        (lambda folder: {"model": {"a": torch.ones(1)}}, "model is no tensor"),
        (lambda folder: torch.ones(1), "no weights by name"),
        (lambda folder: {"a": torch.ones(1, dtype=torch.int32)}, "a is torch.int32"),
        (None, "damaged"),
    ],
    ids=["code", "nested", "a tensor", "whole numbers", "cut off"],
)
def test_what_holds_more_than_weights_is_refused_and_leaves_nothing(tmp_path, content, words):
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    path = folder / "pytorch_model.bin"
    if content is None:
        torch.save({"a": torch.ones(100)}, path)
        path.write_bytes(path.read_bytes()[:200])
    else:
        torch.save(content(tmp_path), path, pickle_module=pickle)
    with pytest.raises(UserError, match=words):
        convert.convert(folder, tmp_path / "dst")
    assert [path.name for path in tmp_path.iterdir()] == ["src"], "nothing written, nothing run"


def test_there_must_be_something_to_convert(tmp_path):
    eyes = tmp_path / "eyes"
    write_vision_encoder(eyes)
    for src, dst, words in (
        (eyes, tmp_path / "dst", "needs no converting"),
        (tmp_path, tmp_path / "dst", "no config.json"),
        (eyes, eyes, "is there already"),
    ):
        with pytest.raises(UserError, match=words):
            convert.convert(src, dst)
    pickled(eyes, 2)
    (eyes / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(UserError, match=r"holds no pytorch_model-00002-of-00002\.bin"):
        convert.convert(eyes, tmp_path / "dst")


@pytest.mark.parametrize(
    ("config", "name", "words"),
    [
        ({"model_type": "llava", "mm_vision_tower": "x"}, "llava-v1.5-7b", "Take .* llava-hf/llava-1.5-7b-hf"),
        ({"model_type": "llava_llama", "mm_vision_tower": "x"}, "mine", "convert_llava_weights_to_hf"),
        (
            {"model_type": "internvl_chat", "llm_config": {"architectures": ["Qwen3ForCausalLM"]}},
            "InternVL3_5-8B",
            "InternVL3_5-8B-HF",
        ),
        (
            {"model_type": "internvl_chat", "llm_config": {"architectures": ["Qwen2ForCausalLM"]}},
            "InternVL3-8B",
            "fgtrain import-internvl",
        ),
    ],
)
def test_a_layout_of_another_program_names_what_to_take(tmp_path, config, name, words):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        Source("model.checkpoint", str(folder), network=False).config()
