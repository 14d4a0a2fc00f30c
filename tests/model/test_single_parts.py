"""A part of a model loaded by itself is that part of the whole, and nothing else is in memory."""

from pathlib import Path

import pytest
import torch
from model_fakes import model_values
from model_kinds import llava, released
from safetensors.torch import load_file, save_file

from fgtrain.errors import UserError
from fgtrain.model import (
    LVLM,
    build_encoder,
    build_language_model,
    build_model,
    encoder_hash,
    load_encoder,
    part_hash,
    save_checkpoint,
)
from fgtrain.recipe.model_schema import Model
from fgtrain.training.self_text import sample_texts


def real(lvlm: LVLM) -> set[str]:
    """The parts that have tensors."""
    found = {part for part in lvlm.parts if not any(p.is_meta for p in lvlm.parts[part].parameters())}
    for part in lvlm.parts.keys() - found:
        assert all(p.is_meta for p in lvlm.parts[part].parameters())
    return found


@torch.no_grad()
def test_an_encoder_alone_is_that_of_the_whole_model(model: Model):
    whole, alone = (make(model, network=False, seed=5) for make in (build_model, build_encoder))
    assert real(alone.lvlm) == {"vision_encoder", "projector"}
    assert alone.image_spec == whole.image_spec
    assert alone.hash == part_hash(whole, "vision_encoder") == encoder_hash(model, network=False, seed=5)
    pixels_NCHW, shapes_IK = whole.blank()
    drawn = torch.randn(pixels_NCHW.shape, generator=torch.Generator().manual_seed(3))
    expected = whole.encode_images(drawn, shapes_IK)
    assert torch.equal(alone.encode_images(drawn, shapes_IK), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(alone.encode_images(drawn, shapes_IK), expected), "whoever asks first"
    assert alone.to("cpu").device.type == "cpu"


def test_a_language_model_alone_is_that_of_the_whole_model(model: Model):
    whole, alone = (make(model, network=False, seed=5) for make in (build_model, build_language_model))
    qwen = whole.hf.config.model_type.startswith("qwen")  # has no class for its language model alone
    assert real(alone.lvlm) == ({*whole.parts} if qwen else {"language_model"})
    assert alone.hash == part_hash(whole, "language_model")
    assert alone.tokenizer.get_vocab() == whole.tokenizer.get_vocab()
    alone.tokenizer.bos_token = whole.tokenizer.bos_token = alone.tokenizer.eos_token
    inner = getattr(whole.hf, "language_model", None) or whole.hf
    texts = [sample_texts(m, alone.tokenizer, 3, 8, seed=1, batch_size=4) for m in (alone.model, inner)]
    assert texts[0] == texts[1]


def test_a_checkpoints_encoder_is_read_alone(tmp_path: Path):
    """A checkpoint in one file or in several."""
    lvlm = build_model(llava(tmp_path), network=False, seed=5)
    save_checkpoint(lvlm, tmp_path / "saved", {})
    alone = load_encoder(tmp_path / "saved")
    assert real(alone.lvlm) == {"vision_encoder", "projector"}
    assert alone.hash == part_hash(lvlm, "vision_encoder")
    assert torch.equal(alone.lvlm.parts["projector"].linear_1.weight, lvlm.parts["projector"].linear_1.weight)
    lvlm.hf.save_pretrained(tmp_path / "saved", max_shard_size="20KB")
    (tmp_path / "saved/model.safetensors").unlink()
    assert load_encoder(tmp_path / "saved", verify=False).hash == alone.hash
    next((tmp_path / "saved").glob("model-00002-of-*.safetensors")).unlink()
    with pytest.raises(UserError, match="weights cannot be read"):
        load_encoder(tmp_path / "saved", verify=False)


@pytest.mark.parametrize("name", ["vision_tower", "language_model"])
def test_a_tensor_that_is_missing_is_refused_in_whichever_part(tmp_path: Path, name: str):
    model = released("llava")(tmp_path)
    file = Path(model.checkpoint) / "model.safetensors"
    tensors = load_file(file)
    lost = next(key for key in sorted(tensors) if name in key)
    save_file({key: value for key, value in tensors.items() if key != lost}, file, metadata={"format": "pt"})
    with pytest.raises(UserError, match="1 tensors are missing"):
        build_encoder(model, network=False, seed=5)


def test_a_hash_tells_what_the_encoder_gives(tmp_path: Path, vision: Path, language: Path):
    of = [
        encoder_hash(model_values(vision, language, **changes), network=False, seed=5)
        for changes in ({}, {"vision_layer": -2}, {"image_tokens": 4}, {"from_scratch": ["vision_encoder"]})
    ]
    assert len(set(of)) == 4
    again = encoder_hash(model_values(vision, language, chat="chatml"), network=False, seed=6)
    assert again == of[0]
