"""What a plan says of models that are not on the machine is what building them says, and what was published."""

import json
from dataclasses import replace

import pytest

from fgtrain.model import model_facts
from fgtrain.model.known import all_recipes, entries
from fgtrain.model.plans import whole_plan
from fgtrain.plan import light_facts
from fgtrain.plan.known_facts import FACTS, kept_models, kept_name, known_facts, model_key
from fgtrain.recipe import load_recipe
from fgtrain.shipped import SHIPPED

PUBLISHED = {
    "general": {"vision_encoder": 304_012_288, "language_model": 7_737_708_544 + 4 * 2 * 4096},
    "internvl25_general": 8_075_365_376,
    "qwen25vl_general": 8_292_166_656,
    "llava15_general": {"vision_encoder": 303_507_456, "language_model": 6_738_415_616 + 2 * 4096},
}


def recipe(name: str, *overrides: str):
    return load_recipe(SHIPPED / "recipes" / f"{name}.yaml", overrides)


def test_kept_facts_are_what_the_kept_values_give():
    assert json.dumps(entries(all_recipes()), indent=1) + "\n" == FACTS.read_text(encoding="utf-8")


def test_every_model_of_a_full_scale_recipe_is_kept():
    for path in sorted((SHIPPED / "recipes").glob("*.yaml")):
        facts = light_facts(load_recipe(path))
        assert None not in facts.parameters.values(), path
        assert facts.shape is not None, path
        assert facts.images is not None, path


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_published(name):
    parameters, published = light_facts(recipe(name)).parameters, PUBLISHED[name]
    if isinstance(published, int):
        assert sum(parameters.values()) == published
    else:
        assert {part: parameters[part] for part in published} == published


@pytest.mark.parametrize("name", ["llava15_lora_align_fg10", "qwen25vl_general"])
def test_light_and_full_facts_agree(name):
    chosen = recipe(name)
    full = model_facts(chosen.model, network=False, stages=chosen.enabled_stages)
    light = light_facts(chosen)
    narrowed = {
        stage: {part: count for part, count in counts.items() if count != full.parameters[part]}
        for stage, counts in full.learning.items()
    }
    assert replace(light, learning=narrowed) == replace(full, learning=narrowed)
    assert light.learning == narrowed
    assert all("not on this machine" in note for note in full.notes)


def test_a_part_that_is_not_kept_leaves_the_model_unknown():
    other = recipe("general", "model.language_model=someone/else")
    assert model_key(other.model) is None
    assert light_facts(other).parameters == {}
    assert light_facts(recipe("general", "model.image_size=224", "model.image_tokens=64")).shape is None


def test_a_folder_that_is_here_is_never_taken_for_a_kept_model(tmp_path):
    name = next(iter(kept_models()))
    assert kept_name(f"/models/{name}") == name
    (tmp_path / name).mkdir(parents=True)
    assert kept_name(str(tmp_path / name)) is None
    assert known_facts(recipe("general", f"model.vision_encoder={tmp_path / name}").model, {}) is None


def test_a_way_of_learning_that_is_not_kept_is_counted_by_building_the_model():
    chosen = recipe("llava15_general", "stages.sft.train.language_model={lr: 1e-4, lora: {rank: 1}}")
    assert light_facts(chosen).shape is not None
    parts = whole_plan(chosen).stage("sft").parts
    assert 0 < parts[2].trainable < 10_000_000
