"""What a LoRA stage has learnt, on the model that it began with, is the merged checkpoint."""

from pathlib import Path

import peft
import pytest
import torch
from family_fakes import write_pictures
from safetensors import safe_open
from test_alone import CASES
from transformers import AutoModelForImageTextToText

from data_builders.shared.files import read_json
from fgtrain.errors import UserError
from fgtrain.export import main
from fgtrain.model import (
    LVLM,
    Adapter,
    Base,
    fully_trained,
    load_checkpoint,
    merge_adapters,
    read_adapter,
    save_checkpoint,
    set_trainable,
    weights_hash,
)
from fgtrain.recipe.model_schema import Lora, TrainPart

WAYS = {
    "language model": {"language_model": TrainPart(lr=1.0, lora=Lora(rank=2, alpha=4.0))},
    "and the projector as a whole": {
        "projector": TrainPart(lr=1.0),
        "language_model": TrainPart(lr=1.0, lora=Lora(rank=3, targets=("q_proj", "down_proj"))),
    },
    "two parts of two ranks": {
        "vision_encoder": TrainPart(lr=1.0, lora=Lora(rank=2, alpha=8.0)),
        "projector": TrainPart(lr=1.0, lora=Lora(rank=1, alpha=2.0)),
        "language_model": TrainPart(lr=1.0, lora=Lora(rank=3)),
    },
}


def learnt(lvlm: LVLM, train: dict[str, TrainPart], base: Base) -> Adapter | str:
    """As if the stage had been trained."""
    set_trainable(lvlm, train, seed=3)
    full = fully_trained(lvlm)
    torch.manual_seed(4)
    with torch.no_grad():
        for parameter in lvlm.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    adapter = read_adapter(lvlm, base, full)
    merge_adapters(lvlm)
    return adapter


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = write_pictures(tmp_path_factory.mktemp("base"))
    save_checkpoint(CASES["CLIP"](place), place / "base", {})
    return place / "base"


@pytest.mark.parametrize("way", WAYS)
def test_peft_opens_it_on_the_base(base: Path, tmp_path: Path, way: str):
    lvlm = load_checkpoint(base)
    known = Base(str(base), weights_hash(lvlm))
    save_checkpoint(lvlm, tmp_path / "merged", {}, learnt(lvlm, WAYS[way], known))
    main([str(tmp_path / "merged"), "--to", str(tmp_path / "out"), "--format", "adapter"])
    config = read_json(tmp_path / "out" / "adapter_config.json")
    assert config["base_model_name_or_path"] == known.name
    assert config["auto_mapping"]["base_model_weights_hash"] == known.weights_hash
    inputs = {"input_ids": torch.tensor([[1, *[3] * 16, 20, 21, 22]]), "pixel_values": torch.randn(1, 3, 32, 32)}
    model = AutoModelForImageTextToText.from_pretrained(base).eval()
    with torch.no_grad():
        before = model(**inputs).logits
        merged = AutoModelForImageTextToText.from_pretrained(tmp_path / "merged").eval()(**inputs).logits
        found = peft.PeftModel.from_pretrained(model, tmp_path / "out").eval()(**inputs).logits
    assert (found - before).abs().max() > 0.1
    torch.testing.assert_close(found, merged, rtol=1e-5, atol=1e-5)
    main([str(tmp_path / "merged"), "--to", str(tmp_path / "half"), "--format", "adapter", "--dtype", "bf16"])
    with safe_open(tmp_path / "half" / "adapter_model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_no_adapter_holds_most_of_the_model(base: Path):
    train = {"language_model": TrainPart(lr=1.0), "vision_encoder": TrainPart(lr=1.0, lora=Lora(rank=2))}
    why = learnt(load_checkpoint(base), train, Base(str(base), "x"))
    assert isinstance(why, str)
    assert "% of the model learnt as a whole" in why


def test_what_peft_has_no_form_for_is_said(base: Path, tmp_path: Path):
    lvlm = load_checkpoint(base)
    train = {"vision_encoder": TrainPart(lr=1.0), "language_model": TrainPart(lr=1.0, lora=Lora(rank=2))}
    why = learnt(lvlm, train, Base(str(base), "x"))
    assert isinstance(why, str)
    assert "embeddings" in why  # the class token is a parameter beside other modules
    save_checkpoint(lvlm, tmp_path / "merged", {"no_adapter": why})
    with pytest.raises(UserError, match=r"keeps no adapter: parameters of .*embeddings learnt"):
        main([str(tmp_path / "merged"), "--to", str(tmp_path / "out"), "--format", "adapter"])
