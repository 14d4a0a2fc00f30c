"""From the recipe's section to a model: which weights it has, and what is known of it beforehand."""

import shutil
from pathlib import Path

import pytest
import torch
from model_fakes import model_values, write_language_model
from safetensors.torch import load_file, save_file

from fgtrain.model import LVLM, build_model, model_facts, part_hash, save_checkpoint, weights_hash
from fgtrain.recipe.model_schema import Model

PARTS = ("vision_encoder", "projector", "language_model")


def build(values: Model, seed: int = 5) -> LVLM:
    return build_model(values, network=False, seed=seed)


# ---- what is drawn


def test_drawn_weights_follow_from_the_seed_alone(vision: Path, language: Path):
    values = model_values(vision, language, from_scratch=["vision_encoder", "language_model"])
    torch.manual_seed(0)
    first, next_draw = build(values), torch.rand(1)
    torch.manual_seed(1)
    again, other = build(values), build(values, seed=6)
    assert weights_hash(first) == weights_hash(again)
    for part in PARTS:
        assert part_hash(first, part) != part_hash(other, part)
    torch.manual_seed(0)
    assert torch.equal(next_draw, torch.rand(1)), "building draws nothing from the common stream"


def test_a_part_is_drawn_the_same_whatever_the_others_are(vision: Path, language: Path):
    def weights(part: str, *from_scratch: str, **changes: object) -> dict[str, torch.Tensor]:
        return build(model_values(vision, language, from_scratch=from_scratch, **changes)).parts[part].state_dict()

    for part, one, two in (
        ("projector", weights("projector"), weights("projector", "language_model", vision_layer=-2)),
        ("vision_encoder", weights("vision_encoder", *PARTS), weights("vision_encoder", "vision_encoder")),
        ("language_model", weights("language_model", *PARTS), weights("language_model", "language_model")),
    ):
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one), part


def test_pretrained_weights_are_taken_as_they_are(vision: Path, language: Path):
    lvlm = build(model_values(vision, language))
    for part, folder in (("vision_encoder", vision), ("language_model", language)):
        stored = load_file(folder / "model.safetensors")
        state = lvlm.parts[part].state_dict()
        assert all(torch.equal(state[name], tensor) for name, tensor in stored.items())
    assert not lvlm.training
    assert not any(parameter.requires_grad for parameter in lvlm.parameters())


# ---- what is known beforehand


@pytest.mark.parametrize(
    "changes",
    [{}, {"projector": "norm_mlp3x_gelu", "projector_width": 20, "image_tokens": 4}, {"projector": "linear"}],
    ids=lambda changes: changes.get("projector", "default"),
)
@pytest.mark.parametrize("tied", [False, True])
def test_facts_are_those_of_the_built_model(tmp_path: Path, vision: Path, tied: bool, changes: dict):
    values = model_values(vision, write_language_model(tmp_path / "language", tie_word_embeddings=tied), **changes)
    lvlm = build(values)
    save_checkpoint(lvlm, tmp_path / "saved", {})
    released = Model(checkpoint=str(tmp_path / "saved"))
    for section in (values, released):
        facts = model_facts(section, network=False)
        for part in PARTS:
            counted = sum(parameter.numel() for _, parameter in lvlm.part_parameters(part))
            assert facts.parameters[part] == counted
        assert facts.image_tokens == lvlm.image_spec.tokens
        assert facts.weights_sha is not None
        assert facts.notes == ()


def test_facts_need_no_weights_and_say_what_is_unknown(tmp_path: Path, vision: Path, language: Path):
    configs = [tmp_path / "vision", tmp_path / "language"]
    for source, folder in zip((vision, language), configs, strict=True):
        folder.mkdir()
        shutil.copy(source / "config.json", folder)
    known, unknown = (model_facts(model_values(*paths), network=False) for paths in ((vision, language), configs))
    assert unknown.parameters == known.parameters
    assert unknown.image_tokens == known.image_tokens
    assert unknown.weights_sha is None
    far = model_facts(model_values(Path("someone/an-encoder"), language), network=False)
    assert far.parameters["vision_encoder"] is None
    assert far.parameters["language_model"] == known.parameters["language_model"]
    assert any("someone/an-encoder" in note for note in far.notes)


def test_facts_tell_weights_apart(tmp_path: Path, vision: Path, language: Path):
    values = model_values(vision, language)
    before = model_facts(values, network=False).weights_sha
    copied = shutil.copytree(language, tmp_path / "copied")
    assert model_facts(model_values(vision, copied), network=False).weights_sha == before
    stored = load_file(copied / "model.safetensors")
    stored["lm_head.weight"][0, 0] += 1
    save_file(stored, copied / "model.safetensors", metadata={"format": "pt"})
    after = model_facts(model_values(vision, copied), network=False).weights_sha
    assert after["vision_encoder"] == before["vision_encoder"]
    assert after["language_model"] != before["language_model"]
