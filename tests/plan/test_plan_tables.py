"""Printed plans fit 100 columns, say "unknown" and never a wrong number, and do not trip over odd names."""

import io

import pytest
from plan_fakes import BASE, FACTS, MODEL, plan_of, recipe_of
from rich.console import Console

from fgtrain.plan import ModelFacts, compare_plans, make_plan, print_comparison, print_plan


def printed(show) -> str:
    stream = io.StringIO()
    show(Console(file=stream, width=100))
    text = stream.getvalue()
    assert max(len(line) for line in text.split("\n")) <= 100
    return text


@pytest.mark.parametrize("known", [True, False])
def test_a_plan_prints_every_number_or_unknown(tmp_path, known):
    plan = plan_of(tmp_path) if known else plan_of(tmp_path, facts={}, model=ModelFacts(notes=("parts/x: no config",)))
    text = printed(lambda console: print_plan(plan, console))
    for stage in plan.stages:
        assert stage.fingerprint in text
        assert stage.checkpoint in text
    assert ("unknown" in text) is not known
    assert ("parts/x: no config" in text) is not known
    assert ("118,000" in text) is known
    assert "None" not in text


def test_a_comparison_prints_keys_and_consequences(tmp_path):
    a, b = recipe_of(tmp_path), recipe_of(tmp_path, "name=b", "stages.sft.mix.fine=10", "stages.align.clip_norm=null")
    plans = [make_plan(recipe, FACTS, MODEL) for recipe in (a, b)]
    text = printed(lambda console: print_comparison(compare_plans(a, plans[0], b, plans[1]), console))
    for part in ("stages.sft.mix.fine", "stages.align.clip_norm", "null", "5,500", "+3,600", "none"):
        assert part in text
    assert "None" not in text


def test_brackets_in_a_path_are_not_taken_for_markup(tmp_path):
    text = printed(lambda console: print_plan(plan_of(tmp_path, "runs_root='runs[/red]'"), console))
    assert "runs[/red]/base/align/checkpoint" in text


def test_many_stages_and_long_names_still_fit(tmp_path):
    long = "a_very_long_name_for_a_training_set_that_nobody_would_choose"
    text = BASE.replace("fine:", f"{long}:")
    stages = [
        f"stages.another_stage_{n}={{train: {{projector: 1e-3}}, mix: {{general: 1}}, global_batch_size: 8}}"
        for n in range(4)
    ]
    printed(lambda console: print_plan(plan_of(tmp_path, *stages, text=text), console))
