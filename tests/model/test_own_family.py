"""A model family of a user's own: the page on families as it stands."""

from importlib import import_module
from pathlib import Path

import pytest
from extending_pages import installed, write_example
from family_fakes import FAKES, MEAN_STD, SQUARE, Fake, _text, token, write_family, write_pictures
from model_fakes import clip_config, drawn_module
from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from data_builders.shared.code_imports import source_file
from fgtrain.errors import UserError
from fgtrain.model import build_model, part_hash
from fgtrain.model.model_facts import model_facts
from fgtrain.recipe import Model
from fgtrain.recipe.stage_schema import Stage


def vip_llava() -> VipLlavaForConditionalGeneration:
    config = VipLlavaConfig(
        vision_config=clip_config(),
        text_config=_text(),
        image_token_index=token("<image>"),
        vision_feature_layer=[-2, 1],
    )
    return drawn_module(VipLlavaForConditionalGeneration, config)


def test_the_page_on_families_runs_as_written(tmp_path: Path, monkeypatch):
    """Logits are transformers' own; its parts learn; its code is in the identity of what it makes."""
    monkeypatch.setitem(FAKES, "vipllava", Fake(vip_llava, "<image>", CLIPImageProcessorPil, {**SQUARE, **MEAN_STD}))
    folder, pictures = str(write_family("vipllava", tmp_path / "model")), write_pictures(tmp_path)
    package = tmp_path / "package"
    points = write_example("families", package)
    model = Model(checkpoint=folder, max_tokens=1024, chat="qa")
    with pytest.raises(UserError, match=r"model_type 'vipllava', a family that is not known here.*fgtrain\.families"):
        build_model(model, network=False, seed=0)
    with installed(package, points):
        assert import_module("check_vip").difference(folder, str(pictures / "wide.png")) < 1e-5
        lvlm = build_model(model, network=False, seed=0)
        assert all(list(part.parameters()) for part in lvlm.parts.values())
        stage = Stage(train={"projector": 1e-3}, mix={"some": 1}, global_batch_size=8)
        facts = model_facts(model, network=False, stages={"sft": stage})
        assert facts.learning["sft"]["projector"] == sum(p.numel() for p in lvlm.parts["projector"].parameters())
        before = facts.family_code, part_hash(lvlm, "vision_encoder")
        text = (package / "vip.py").read_text()
        (package / "vip.py").write_text(text.replace("[:, 1:]", "[:, 1:].clone()"))
        source_file.cache_clear()
        after = model_facts(model, network=False).family_code, part_hash(lvlm, "vision_encoder")
        assert None not in before
        assert all(one != other for one, other in zip(before, after, strict=True))
