"""A model card says what is known by now, and keeps what people wrote into it."""

from pathlib import Path

import yaml

from evaluation.scoring.score_files import Score, TaskScore
from fgtrain.checksums import CARD, verify_checksums, write_checksums
from fgtrain.export import exported_card
from fgtrain.plan import make_plan
from fgtrain.plan.facts import ModelFacts
from fgtrain.recipe import load_recipe
from fgtrain.runs.evaluations import write_evaluation
from fgtrain.runs.model_card import UNMEASURED, fill_cards, model_card

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def scored(value: float) -> TaskScore:
    score = Score("exact", "accuracy", value, value - 2, value + 3, 50, "percent")
    return TaskScore("ai2d", "AI2D", "general", 1, 50, 40, "exact", [score], chance=25.0)


def test_scores_come_in_and_words_of_people_stay(tmp_path: Path):
    recipe = load_recipe(RECIPES / "llava15_lora_align_fg10.yaml")
    plan = make_plan(recipe, {}, ModelFacts())
    last = plan.stages[-1].name
    card = model_card(recipe, plan, last, 3)
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["base_model"] == [one for one in (recipe.model.vision_encoder, recipe.model.language_model) if one]
    assert "license" not in head
    assert "LoRA of rank" in card
    assert f"3 rows of {last} could not be used" in card
    assert UNMEASURED in card
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text("{}")
    (checkpoint / CARD).write_text(card)
    write_checksums(checkpoint)
    card = card.replace("tags:\n", "license: mit\ntags:\n") + "\n## How to cite\n\nA paper.\n"
    (checkpoint / CARD).write_text(card)
    verify_checksums(checkpoint)
    for value in (61.0, 73.5):
        write_evaluation(tmp_path / "evaluations" / f"{value}.json", {"ai2d": scored(value)}, [], {})
        fill_cards([checkpoint, tmp_path / "nothing here"])
    found = (checkpoint / CARD).read_text()
    assert "| ai2d | exact (accuracy) | 73.5 % | 71.5 to 76.5 | 50 | 25.0 % |" in found
    assert "61.0" not in found
    assert found.count("## Scores") == 1
    begins, ends = card.split("## Scores")[0], card.split("## Made with")[1]
    assert found.startswith(begins)
    assert found.endswith(ends)
    exported = exported_card(checkpoint, "vllm", "bfloat16")
    assert exported is not None
    assert "Exported for vllm, weights rounded to bfloat16. The scores were measured before rounding." in exported
    assert exported.replace(exported[exported.index("## This export") : exported.index("## Made with")], "") == found
    assert exported_card(tmp_path, "vllm", None) is None
