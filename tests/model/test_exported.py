"""An exported checkpoint is the model as other programs read it: the same tokens, pixels and logits."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from export_fakes import CASES, KINDS, Cases, opened
from safetensors.torch import load_file
from transformers import AutoConfig
from transformers.core_model_loading import revert_weight_conversion

import fgtrain.model.exported as exported
import fgtrain.model.weight_files as weight_files
from data_builders.shared.files import read_json
from fgtrain.checksums import verify_checksums
from fgtrain.errors import UserError
from fgtrain.export import main
from fgtrain.model import LVLM, load_checkpoint, save_checkpoint, weights_hash
from fgtrain.model.exported import export_checkpoint
from fgtrain.model.families import FAMILIES as RELEASED
from fgtrain.model.tensors import on_meta
from fgtrain.model.transformers4 import COMPUTED_OTHERWISE, model_config, tensor_name
from fgtrain.model.vllm_loaders import LOADERS, read_names
from fgtrain.model.weight_files import stored_in
from fgtrain.plan.known_facts import kept_models


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    return Cases(tmp_path_factory.mktemp("exported"))


def test_transformers_opens_every_format(cases: Cases):
    ways = [("transformers", "bfloat16", 0.25), ("vllm", None, 1e-5)]
    asked = [(name, *way) for name in KINDS for way in ways]
    answers = opened(sys.executable, cases.place, [cases.request(cases.export(*one[:3])) for one in asked])
    for (name, _, dtype, tolerance), answer in zip(asked, answers, strict=True):
        assert answer["dtype"] == f"torch.{dtype or 'float32'}"
        cases.check(name, answer, tolerance)


@pytest.mark.parametrize("name", KINDS)
def test_vllm_finds_every_tensor_and_knows_each(cases: Cases, name: str):
    folder = cases.export(name, "vllm")
    config, stored = read_json(folder / "config.json"), stored_in(folder.glob("*.safetensors"))
    assert read_names(config, stored, "x") == stored.keys()
    original = load_checkpoint(cases.folder(name) / "saved")
    assert weights_hash(load_checkpoint(folder)) == weights_hash(original)  # which is how answers are known
    for less in stored:
        if not any(part in less for part in ("post_layernorm", ".head.")):  # which it passes over
            with pytest.raises(UserError, match=r"it wants"):
                read_names(config, stored.keys() - {less}, "x")
    with pytest.raises(UserError, match=r"no place for vision_tower\.embeddings\.x"):
        read_names(config, [*stored, "vision_tower.embeddings.x"], "x")
    if name in ("long", "internvl"):
        with pytest.raises(UserError, match=r"reads one layer of|as if it were -1"):
            read_names(config | {"vision_feature_layer": [-2] if name == "long" else -2}, stored, "x")
    for key in LOADERS[config["model_type"]].keys:
        with pytest.raises(UserError, match=f"reads {key}"):
            read_names({k: v for k, v in config.items() if k != key}, stored, "x")


def published() -> dict[str, dict[str, Any]]:
    """Hub id -> config of a published model of each family."""
    kept = {name: values.get("config", {}) for name, values in kept_models().items()}
    return {name: config for name, config in kept.items() if config.get("model_type") in RELEASED}


def test_vllm_finds_every_tensor_of_models_as_large_as_published():
    for name, kept in published().items():
        config = AutoConfig.for_model(**kept)
        model = on_meta(RELEASED[config.model_type].model_class, config)
        names = set(revert_weight_conversion(model, model.state_dict()))
        if config.tie_word_embeddings:  # which is stored once
            names = {one for one in names if not one.endswith("lm_head.weight")}
        values = config.to_dict() | {"architectures": [type(model).__name__]}
        names = {tensor_name(one, values) for one in names}
        assert read_names(model_config(values, names), names, name) == names
    assert len(published()) >= 9


def test_weights_are_the_checkpoints_own(cases: Cases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """In several files, each read and written a few rows at a time."""
    monkeypatch.setattr(weight_files, "PIECE", 700)
    most = 0
    pieces = weight_files.Stored.pieces

    def watched(self: weight_files.Stored) -> Any:
        nonlocal most
        for piece in pieces(self):
            most = max(most, piece.numel() * piece.itemsize)
            yield piece

    monkeypatch.setattr(weight_files.Stored, "pieces", watched)
    saved = load_file(cases.folder("internvl") / "saved" / "model.safetensors")
    row = max(value[0].numel() for value in saved.values() if value.dim() > 1) * 4
    for dtype in (None, "bfloat16"):
        to = tmp_path / str(dtype)
        export_checkpoint(cases.folder("internvl") / "saved", to, "transformers", dtype, shard=20_000)
        index = read_json(to / "model.safetensors.index.json")
        files = sorted(set(index["weight_map"].values()))
        assert len(files) > 2
        found = {name: value for file in files for name, value in load_file(to / file).items()}
        assert found.keys() == saved.keys() == index["weight_map"].keys()
        for name, value in found.items():
            assert torch.equal(value, saved[name].to(value.dtype)), name
            assert value.dtype == (torch.bfloat16 if dtype else torch.float32)
        assert index["metadata"]["total_size"] == sum(v.numel() * v.itemsize for v in found.values())
        assert most <= max(700, row)
        verify_checksums(to)
        assert load_checkpoint(to).chat == load_checkpoint(cases.folder("internvl") / "saved").chat


def test_nothing_is_left_of_an_export_that_fails(cases: Cases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    saved, to = cases.folder("llava") / "saved", tmp_path / "out"

    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exported, "write_weights", no_space)
    with pytest.raises(UserError, match="no space left while writing"):
        export_checkpoint(saved, to, "transformers")
    monkeypatch.undo()
    monkeypatch.setattr(weight_files, "SPARE", 1 << 62)
    with pytest.raises(UserError, match="write --dtype bf16"):
        export_checkpoint(saved, to, "transformers")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["NOT/THERE"], "no such folder"),
        (["saved/config.json"], r"is a file. Give the checkpoint's folder"),
        (["."], r"holds checkpoints and is none. Give one: .*checkpoint$"),
        (["released"], "not saved here"),
        (["empty"], "is no checkpoint"),
        (["saved", "--format", "transformer4"], "Did you mean transformers4"),
        (["saved", "--dtype", "bf6"], "Did you mean bf16"),
        (["saved", "--to", "empty"], "there already"),
        (["saved", "--to", "a file/new"], "a file is a file"),
        (["saved", "--format", "adapter"], "keeps no adapter"),
        (["altered"], "altered or cut off"),
    ],
)
def test_what_cannot_be_exported_is_told(
    cases: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
):
    monkeypatch.chdir(tmp_path)
    for name in ("saved", "released"):
        (tmp_path / name).symlink_to(cases.folder("llava") / name)
    (tmp_path / "checkpoint").symlink_to(cases.folder("llava") / "saved")
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").touch()
    (tmp_path / "altered").mkdir()
    for path in (cases.folder("llava") / "saved").iterdir():
        (tmp_path / "altered" / path.name).write_bytes(path.read_bytes() + b" " * (path.name == "config.json"))
    with pytest.raises(UserError, match=told):
        main([*words, *(["--to", "new"] if "--to" not in words else [])])
    assert not (tmp_path / "new").exists()


def test_a_model_that_a_format_has_no_place_for_is_refused(lvlm: LVLM, cases: Cases, tmp_path: Path):
    save_checkpoint(lvlm, tmp_path / "saved", {})  # three linear layers: a ComposedLVLM
    for kind in ("transformers4", "vllm"):
        with pytest.raises(UserError, match=r"no class of transformers has a place for .*mlp3x_gelu"):
            export_checkpoint(tmp_path / "saved", tmp_path / "out", kind)
    export_checkpoint(tmp_path / "saved", tmp_path / "out", "transformers")
    for name in COMPUTED_OTHERWISE:
        with pytest.raises(UserError, match=r"4\.57 gives patches of pictures other positions than"):
            cases.export(name, "transformers4")
    vit = CASES["ViT, plain"](tmp_path / "vit")
    save_checkpoint(vit, tmp_path / "vit" / "saved", {})
    with pytest.raises(UserError, match=r"takes no vision encoder vit\. It takes: clip_vision_model"):
        export_checkpoint(tmp_path / "vit" / "saved", tmp_path / "out4", "vllm")
