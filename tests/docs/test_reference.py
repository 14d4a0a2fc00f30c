"""The reference is made from the code, so the code must say what a reader needs: a law over every key and rule."""

import re

from documented import DOCS

PLACEHOLDER = re.compile(r"^<!-- from code: (\w+) -->$", re.MULTILINE)


def test_every_key_of_recipes_studies_and_profiles_says_what_it_means(from_code):
    from fgtrain.executors.slurm.profile import Cluster
    from fgtrain.recipe.replay import ReplayOptions
    from fgtrain.recipe.schema import Recipe
    from fgtrain.recipe.soup import Soup
    from fgtrain.recipe.study_schema import StudyFile

    keys = from_code.keys
    found = [place for top in (Recipe, StudyFile, Cluster) for place in keys.sections(top)]
    found += [("soup", Soup), ("replay", ReplayOptions)]
    silent = [f"{place}.{key}" for place, one in found for key, text in keys.described(one).items() if not text]
    assert silent == [], "a comment behind the key, or above it, is its line in the reference"
    assert {"stages.STAGE", "stages.STAGE.train.PART.lora", "evaluation.judge"} <= {place for place, _ in found}


def test_a_key_is_shown_with_its_type_bounds_default_and_comment(from_code):
    from fgtrain.recipe.stage_schema import Stage

    keys, fields = from_code.keys, Stage.model_fields
    assert keys.type_of(fields["warmup_fraction"]) == "number >= 0, <= 1"
    assert keys.default_of(fields["warmup_fraction"]) == "`0.03`"
    assert keys.described(Stage)["warmup_fraction"] == "of this stage's optimizer steps"
    assert keys.type_of(fields["steps"]) == "whole number > 0 or null"
    assert keys.default_of(fields["mix"]) == "needed"
    assert "sqrt" in keys.described(Stage)["loss_weighting"]  # its comment stands above it


def test_every_rule_says_what_it_follows(from_code):
    from evaluation.tasks.task_files import all_specs

    told = from_code.rules.rule_texts()
    assert [name for name, (text, _) in told.items() if not text.strip()] == []
    assert {rule for spec in all_specs().values() for rule in spec.rules} <= told.keys()


def test_pages_ask_for_all_that_is_made(from_code):
    asked = [name for page in DOCS.rglob("*.md") for name in PLACEHOLDER.findall(page.read_text(encoding="utf-8"))]
    assert sorted(asked) == sorted(from_code.PAGES)
