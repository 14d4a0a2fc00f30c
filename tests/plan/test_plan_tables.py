"""Printed plans fit 80 columns, break no number, say "unknown" and never a wrong number, whatever the names."""

import io
import re
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from plan_fakes import BASE, FACTS, MODEL, plan_of, recipe_of
from rich.console import Console

from fgtrain.plan import ModelFacts, compare_plans, data_facts, light_facts, make_plan, print_comparison, print_plan
from fgtrain.plan.layout import Column, show_table
from fgtrain.recipe import load_recipe

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("**/[a-z]*.yaml"))
RECIPES = [path for path in RECIPES if "studies" not in path.parts]


def printed(show, width: int = 80) -> str:
    stream = io.StringIO()
    show(Console(file=stream, width=width))
    text = stream.getvalue()
    assert max(len(line) for line in text.split("\n")) <= width
    assert broken_numbers(text) == []
    assert "…" not in text, "a cell was cut off"
    return text


def broken_numbers(text: str) -> list[str]:
    """Numbers in a table's cells that go on in the next line."""
    found = []
    for above, below in pairwise(text.split("\n")):
        if not (above.startswith("│") and below.startswith("│")):
            continue
        upper, lower = (line.split("│")[1:-1] for line in (above, below))
        if lower[0].strip():
            continue  # another row
        found += [
            f"{a.strip()} / {b.strip()}"
            for a, b in zip(upper[1:], lower[1:], strict=True)
            if re.search(r"[\d,.]$", a.rstrip()) and re.match(r"[\d,.]", b.strip()) and not a.endswith(" " * 3)
        ]
    return found


def plan_of_file(path: Path):
    recipe = load_recipe(path)
    return recipe, make_plan(recipe, data_facts(recipe), light_facts(recipe))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_no_number_of_a_shipped_recipe_breaks(path):
    _, plan = plan_of_file(path)
    text = printed(lambda console: print_plan(plan, console))
    for stage in plan.stages:
        assert len(re.findall(rf"│ {re.escape(stage.name)} +│", text)) >= 2, "a stage's name is broken"
        numbers = [stage.samples, stage.steps, stage.tokens, *(part.trainable for part in stage.parts)]
        numbers += [data.samples for data in stage.data] + [one.questions for one in plan.evaluations]
        for number in numbers:
            assert number is None or re.search(rf"(?<![\d,]){number:,}(?![\d,])", text), number


@pytest.mark.parametrize("pair", list(combinations(RECIPES[::3], 2)))
def test_no_number_of_a_comparison_breaks(pair):
    (a, plan_a), (b, plan_b) = map(plan_of_file, pair)
    printed(lambda console: print_comparison(compare_plans(a, plan_a, b, plan_b), console))


def test_a_table_that_is_too_wide_goes_on_in_another():
    columns = [Column(f"stage {number}", ["1,234,567,890,123", "7"]) for number in range(9)]
    text = printed(lambda console: show_table(console, "Wide", "part", ["one", "two"], columns))
    assert text.count("1,234,567,890,123") == 9
    assert text.count("┃ part") > 1, "labels stand before each part of it"


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
