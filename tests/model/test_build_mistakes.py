"""What cannot be built is refused in one message: which key, which value, what to do instead."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from model_fakes import letter_tokenizer, model_values
from safetensors.torch import load_file, save_file

from fgtrain.errors import UserError
from fgtrain.model import build_model, load_checkpoint, save_checkpoint
from fgtrain.recipe.model_schema import Model


def refused(values: Model) -> str:
    with pytest.raises(UserError) as caught:
        build_model(values, network=False, seed=5)
    return str(caught.value)


def change_json(path: Path, **changes: object) -> None:
    """Change keys; None removes one."""
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def cut(path: Path) -> None:
    """What a download that broke off leaves."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pickle_only(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(tensors))
    (folder / "model.safetensors").unlink()


def drop_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def more_tokens(folder: Path) -> None:
    tokenizer = letter_tokenizer()
    tokenizer.add_tokens([f"<{i}>" for i in range(50)])
    tokenizer.save_pretrained(folder)


LANGUAGE: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "no config.json": (lambda f: (f / "config.json").unlink(), ["no config.json", "Hugging Face format"]),
    "a broken config.json": (lambda f: cut(f / "config.json"), ["config cannot be read"]),
    "an unknown kind": (lambda f: change_json(f / "config.json", model_type="lama"), ["config cannot be read", "lama"]),
    "code of its own": (
        lambda f: change_json(f / "config.json", model_type="own", auto_map={"AutoConfig": "own.OwnConfig"}),
        ["runs code", "never trusted"],
    ),
    "pickled weights only": (pickle_only, ["pickled (pytorch_model.bin)", "safetensors"]),
    "no weights": (
        lambda f: (f / "model.safetensors").unlink(),
        ["no weights", "model.from_scratch: [language_model]"],
    ),
    "weights cut off": (lambda f: cut(f / "model.safetensors"), ["weights cannot be read"]),
    "a tensor missing": (drop_tensor, ["1 tensors are missing", "model.norm.weight"]),
    "a tensor of another shape": (
        lambda f: change_json(f / "config.json", intermediate_size=50),
        ["of another shape", "mlp"],
    ),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), ["no tokenizer"]),
    "a broken tokenizer": (lambda f: cut(f / "tokenizer.json"), ["no tokenizer can be read"]),
    "more tokens than embeddings": (more_tokens, ["108 tokens", "embeds only 80"]),
    "no end-of-text token": (lambda f: change_json(f / "tokenizer_config.json", eos_token=None), ["no eos_token"]),
    "fewer positions than max_tokens": (
        lambda f: change_json(f / "config.json", max_position_embeddings=100),
        ["model.max_tokens is 128", "at most 100", "max_tokens: 100"],
    ),
}


@pytest.mark.parametrize("mistake", LANGUAGE)
def test_a_language_model_that_cannot_be_used(tmp_path: Path, vision: Path, language: Path, mistake: str):
    folder = Path(shutil.copytree(language, tmp_path / "language"))
    spoil, words = LANGUAGE[mistake]
    spoil(folder)
    message = refused(model_values(vision, folder))
    for word in ["model.language_model", str(folder), *words]:
        assert word in message
    assert "\n" not in message


EYES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "no config.json": (lambda f: (f / "config.json").unlink(), ["no config.json"]),
    "weights cut off": (lambda f: cut(f / "model.safetensors"), ["weights cannot be read"]),
    "no preprocessor": (
        lambda f: (f / "preprocessor_config.json").unlink(),
        ["preprocessor_config.json is missing", "Copy it from the original model"],
    ),
    "a broken preprocessor": (lambda f: cut(f / "preprocessor_config.json"), ["preprocessor_config.json"]),
    "two channels": (
        lambda f: change_json(f / "preprocessor_config.json", image_mean=[0.5, 0.5]),
        ["image_mean [0.5, 0.5]", "three numbers"],
    ),
    "another scale": (
        lambda f: change_json(f / "preprocessor_config.json", rescale_factor=0.5),
        ["rescales by 0.5", "1/255"],
    ),
    "another filter": (
        lambda f: change_json(f / "preprocessor_config.json", resample=5),
        ["resample 5", "2 (bilinear) and 3 (bicubic)"],
    ),
}


@pytest.mark.parametrize("mistake", EYES)
def test_a_vision_encoder_that_cannot_be_used(tmp_path: Path, vision: Path, language: Path, mistake: str):
    folder = Path(shutil.copytree(vision, tmp_path / "vision"))
    spoil, words = EYES[mistake]
    spoil(folder)
    message = refused(model_values(folder, language))
    for word in [str(folder), *words]:
        assert word in message


def test_a_part_that_is_nowhere(tmp_path: Path, vision: Path, language: Path):
    for value, words in (
        (str(tmp_path / "nowhere"), ["no such folder", "Hugging Face format or a hub id"]),
        (
            "someone/a-model",
            ["config.json is not in", "hf download someone/a-model", "network=true"],
        ),
    ):
        for key in ("vision_encoder", "language_model"):
            message = refused(model_values(vision, language, **{key: value}))
            for word in [f"model.{key} is {value!r}", *words]:
                assert word in message
    assert "model.projector is missing" in refused(model_values(vision, language, projector=None))
    assert "model.max_tiles is 2" in refused(model_values(vision, language, max_tiles=2))


def test_a_checkpoint_that_cannot_be_used(tmp_path: Path, vision: Path, language: Path):
    message = refused(Model(checkpoint=str(language), max_tokens=128))
    for word in ("model.checkpoint", "'llama'", "fgtrain_composed, ", ", internvl, llava, "):
        assert word in message
    save_checkpoint(build_model(model_values(vision, language), network=False, seed=5), tmp_path / "saved", {})
    saved = str(tmp_path / "saved")
    for changes, words in (
        ({"image_size": 64}, ["model.image_size is 64", "32"]),
        ({"image_tokens": 4}, ["model.image_tokens is 4", saved, "image_tokens: null"]),
        ({"max_tokens": 300}, ["model.max_tokens is 300", saved, "max_tokens: 256"]),
    ):
        message = refused(Model(**({"checkpoint": saved, "max_tokens": 128} | changes)))
        for word in words:
            assert word in message
    with pytest.raises(UserError, match="no such folder"):
        load_checkpoint(tmp_path / "other")
