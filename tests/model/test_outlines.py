"""A model known without its weights: all that is done to data with it is what the whole model would do."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from family_fakes import LONGEST, ROWS, write_family, write_pictures
from model_fakes import model_values
from model_kinds import MINI, stage_checkpoint
from test_build_mistakes import EYES, LANGUAGE

from data_builders.records import write_training_set
from data_builders.shared.code_identity import CodeIdentity
from fgtrain.data.datamodule import StageData
from fgtrain.errors import UserError
from fgtrain.model import LVLM, build_model, outline_model
from fgtrain.recipe.devices_schema import Devices
from fgtrain.recipe.model_schema import Model, TrainPart
from fgtrain.recipe.stage_schema import Stage


def described(lvlm: LVLM) -> dict[str, Any]:
    """All that is known of a model without its tensors' values."""
    return {
        "tokenizer": lvlm.tokenizer.get_vocab(),
        "special tokens": lvlm.tokenizer.special_tokens_map,
        "image_spec": lvlm.image_spec,
        "chat": lvlm.chat,
        "max_tokens": lvlm.max_tokens,
        "family": lvlm.family,
        "class": type(lvlm.hf),
        "config": lvlm.hf.config.to_dict(),
        "tensors": {name: (tensor.shape, tensor.dtype) for name, tensor in lvlm.state_dict().items()},
        "parameters": [(name, p.requires_grad) for name, p in lvlm.named_parameters()],
        "parts": {part: [name for name, _ in lvlm.part_parameters(part)] for part in lvlm.parts},
        "training": [name for name, module in lvlm.named_modules() if module.training],
    }


def test_an_outline_is_the_model_without_its_tensors(model: Model):
    torch.manual_seed(0)
    outline, next_draw = outline_model(model, network=False, seed=5), torch.rand(1)
    known, whole = described(outline), described(build_model(model, network=False, seed=5))
    for key in whole:
        assert known[key] == whole[key], key
    assert {tensor.device.type for tensor in (*outline.parameters(), *outline.buffers())} == {"meta"}
    torch.manual_seed(0)
    assert torch.equal(next_draw, torch.rand(1)), "nothing is drawn from the common stream"


def test_an_outline_counts_data_as_the_model_does(model: Model, tmp_path: Path):
    rows = [{**row, "source": "drawn", "kind": "short", "category": "x"} for row in ROWS]
    write_training_set(
        tmp_path / "set",
        rows,
        name="set",
        builder="folder",
        code=CodeIdentity("0" * 16, {}),
        image_root=write_pictures(tmp_path),
        sources=["drawn"],
        splits=["train"],
    )
    outlined, whole = (
        counts_of(make(model, network=False, seed=5), tmp_path, make.__name__) for make in (outline_model, build_model)
    )
    assert np.array_equal(outlined, whole)
    assert (outlined > 0).all(axis=0)[0], "every row has tokens"


def counts_of(lvlm: LVLM, place: Path, name: str) -> np.ndarray:
    data = StageData(
        name="stage",
        stage=Stage(train={"projector": TrainPart(lr=1e-3)}, mix={"set": 1}, global_batch_size=2),
        folders={"set": place / "set"},
        seed=1,
        devices=Devices(),
        tokenizer=lvlm.tokenizer,
        image_spec=lvlm.image_spec,
        chat=lvlm.chat,
        max_tokens=lvlm.max_tokens,
        features=None,
        quarantine=place / name / "quarantine.jsonl",
        cache=place / name,
    )
    return data.row_counts["set"]


def test_no_file_of_weights_is_opened_for_an_outline(model: Model):
    """Whatever stands in them."""
    folders = [model.checkpoint] if model.checkpoint else [model.vision_encoder, model.language_model]
    if str(MINI) in folders[0]:
        return
    for folder in folders:
        for path in Path(folder).glob("*.safetensors"):
            path.write_text("no weights")
    outline_model(model, network=False, seed=5)
    with pytest.raises(UserError):
        build_model(model, network=False, seed=5)


CONTENTS = {"weights cut off", "a tensor missing", "a tensor of another shape"}


@pytest.mark.parametrize("mistake", [*LANGUAGE, *EYES])
def test_an_outline_is_refused_what_a_model_is(tmp_path: Path, vision: Path, language: Path, mistake: str):
    """With the same words, save what only the contents of weights show."""
    for part, folder, mistakes in (("voice", language, LANGUAGE), ("eyes", vision, EYES)):
        if mistake not in mistakes:
            continue
        spoilt = Path(shutil.copytree(folder, tmp_path / part))
        mistakes[mistake][0](spoilt)
        model = model_values(spoilt, language) if part == "eyes" else model_values(vision, spoilt)
        if mistake in CONTENTS:
            outline_model(model, network=False, seed=5)
            continue
        said = []
        for make in (outline_model, build_model):
            with pytest.raises(UserError) as caught:
                make(model, network=False, seed=5)
            said.append(str(caught.value))
        assert said[0] == said[1]


def test_a_checkpoint_that_lacks_a_file_has_no_outline(tmp_path: Path):
    model = stage_checkpoint(tmp_path)
    folder = Path(model.checkpoint)
    (folder / "chat_template.jinja").rename(folder / "elsewhere")
    with pytest.raises(UserError, match=r"chat_template\.jinja is missing"):
        outline_model(model, network=False, seed=5)
    (folder / "elsewhere").rename(folder / "chat_template.jinja")
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    with pytest.raises(UserError, match=r"config\.json was altered"):
        outline_model(model, network=False, seed=5)


def test_a_hub_model_without_weights_in_the_cache_has_no_outline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of a hub id as of a folder, the weights have to be there; they are not opened."""
    cached = tmp_path / "models--someone--a-model/snapshots/0123"
    write_family("llava", cached)
    (cached.parents[1] / "refs").mkdir()
    (cached.parents[1] / "refs/main").write_text("0123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = Model(checkpoint="someone/a-model", max_tokens=LONGEST)
    outline_model(model, network=False, seed=5)
    (cached / "model.safetensors").unlink()
    for make in (outline_model, build_model):
        with pytest.raises(UserError, match=r"weights .*cannot be read"):
            make(model, network=False, seed=5)
