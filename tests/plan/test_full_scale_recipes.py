"""The published settings as recipes: each plans without weights or data, and each is a small diff."""

from pathlib import Path

import pytest

from fgtrain.plan import ModelFacts, data_facts, make_plan
from fgtrain.plan.known_facts import known_facts
from fgtrain.plan.layout import gib
from fgtrain.plan.needs import USABLE
from fgtrain.recipe import differences, load_recipe

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
RECIPES = sorted(FOLDER.glob("*.yaml"))
EXPECTED = {"general", "align_fg1", "align_fg5", "align_fg10", "align_fg20", "sft_fg10", "sft_then_fg", "fg_only"}
EXPECTED |= {"align_fg10_mosaic", "align_fg10_open_world", "llava15_general", "llava15_align_fg10"}
EXPECTED |= {"internvl25_general", "internvl25_align_fg10", "qwen25vl_general", "qwen25vl_align_fg10"}
EXPECTED |= {"align_fg10_attention", "align_fg10_gate_up"}
FG = 6_667 + 5_994 + 75_750 + 12_000 + 2_040 + 43_800  # training images of the six sources


def load(name: str):
    return load_recipe(FOLDER / f"{name}.yaml")


def plan(name: str):
    recipe = load(name)
    return make_plan(recipe, data_facts(recipe), ModelFacts())


def changed(a: str, b: str) -> set[str]:
    return {difference.key for difference in differences(load(a), load(b))} - {"name", "evaluation.at"}


def test_every_published_setting_has_a_recipe():
    assert {path.stem for path in RECIPES} >= EXPECTED


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_plans_without_weights_or_data(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(path)
    assert recipe.name == path.stem, "the run's folder is found by the recipe's name"
    assert recipe.data_root is None
    made = make_plan(recipe, data_facts(recipe), ModelFacts())
    assert all(stage.steps for stage in made.stages)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_says_what_it_asks_and_what_to_compare(path):
    first, second = path.read_text(encoding="utf-8").split("\n")[:2]
    assert first.startswith("# ")
    assert second.startswith("# Compare: ")
    named = {word.strip(",;.()") for word in second.split()} & EXPECTED
    assert named - {path.stem} or path.stem == "general"


def test_general_is_the_published_baseline():
    made = plan("general")
    assert [(stage.samples, stage.steps) for stage in made.stages] == [(558_128, 2_181), (665_298, 5_198)]


@pytest.mark.parametrize("passes", [1, 5, 10, 20])
def test_an_ablation_moves_only_the_mix(passes):
    name = f"align_fg{passes}"
    assert changed("general", name) == {"stages.align.mix.fg_short_answer"}
    assert plan(name).exposures["fg_short_answer"] == passes * FG


def test_the_other_arms_move_only_what_they_name():
    assert changed("general", "sft_fg10") == {"stages.sft.mix.fg_short_answer"}
    assert changed("general", "sft_then_fg") == {"stages.fg"}
    assert changed("general", "fg_only") == {"stages.sft.mix.llava_665k", "stages.sft.mix.fg_short_answer"}
    assert changed("align_fg10", "align_fg10_mosaic") == {"stages.align.mix.fg_mosaic"}
    assert changed("align_fg10", "align_fg10_open_world") == {"stages.align.mix.fg_open_world"}
    for role in ("attention", "gate_up"):
        assert changed("align_fg10", f"align_fg10_{role}") == {"stages.sft.train.language_model.only"}
    # The plain turns of LLaVA's alignment would drop the questions.
    assert changed("llava15_general", "llava15_align_fg10") == {"stages.align.mix.fg_short_answer", "stages.align.chat"}
    whole = changed("general", "llava15_general")
    assert {key for key in whole if not key.startswith("model.")} == {"stages.align.chat"}
    for family in ("internvl25", "qwen25vl"):
        assert changed(f"{family}_general", f"{family}_align_fg10") == {"stages.align.mix.fg_short_answer"}
        whole = changed("general", f"{family}_general")
        settings = {".".join(key.split(".")[:3:2]) for key in whole if not key.startswith("model.")}
        assert settings <= {"stages.train", "stages.weight_decay", "stages.augment"}


def test_moving_fg10_from_alignment_to_sft_changes_the_steps():
    early, late = plan("align_fg10"), plan("sft_fg10")
    assert early.exposures == late.exposures
    assert (early.steps, late.steps) == (13_092, 18_805)


def test_arms_share_the_stages_before_they_part():
    general, last = plan("general"), plan("sft_then_fg")
    assert [s.fingerprint for s in last.stages[:2]] == [s.fingerprint for s in general.stages]
    assert plan("sft_fg10").stages[0].fingerprint == general.stages[0].fingerprint
    assert plan("align_fg10").stages[0].fingerprint != general.stages[0].fingerprint
    assert plan("llava15_general").stages[0].fingerprint != general.stages[0].fingerprint


def test_llava15_is_as_published():
    model = load("llava15_general").model
    assert (model.vision_layer, model.image_size, model.max_tokens, model.chat) == (-2, 336, 2048, "vicuna_v1")
    assert model.image_tokens is None, "all 576 patches"
    assert model.max_tiles == 1


def test_released_families_keep_what_they_were_made_with():
    for name, tiles, pixels in (("internvl25_general", 6, None), ("qwen25vl_general", None, 576 * 28 * 28)):
        model = load(name).model
        assert (model.max_tiles, model.max_pixels) == (tiles, pixels)
        assert (model.image_size, model.image_tokens, model.chat) == (None, None, None)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_fits_a_gpu_of_80_gb_by_its_own_plan(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(path)
    made = make_plan(recipe, data_facts(recipe), known_facts(recipe.model, recipe.enabled_stages))
    assert not any("on a device that has" in note for note in made.notes)
    for stage in made.stages:
        assert stage.activation_bytes
        assert stage.memory_bytes < USABLE * stage.device_holds <= USABLE * 80e9


def test_a_recipe_that_does_not_fit_says_what_to_write_and_what_that_gives(tmp_path):
    recipe = load_recipe(FOLDER / "general.yaml", ["devices.activation_checkpointing=false"])
    made = make_plan(recipe, data_facts(recipe), known_facts(recipe.model, recipe.enabled_stages))
    (told,) = [note for note in made.notes if "on a device that has" in note]
    assert told.startswith("Stage sft needs up to 12")
    again = load_recipe(FOLDER / "general.yaml")
    need = make_plan(again, data_facts(again), known_facts(again.model, again.enabled_stages)).stage("sft").memory_bytes
    assert f"Write devices.activation_checkpointing=true ({gib(need)})" in told
