"""The plan of a study looks at each model once, and at each of its runs as their own plans do."""

from pathlib import Path

import pytest

from fgtrain.errors import UserError
from fgtrain.model import plans
from fgtrain.plan import ModelFacts
from fgtrain.recipe import load_study
from fgtrain.show_plans import show_plans

STUDY = """\
# Is it the rate?
name: s
base: {base}
arms:
  one: {{}}
  rate: {{stages.sft.train.language_model: 1.0e-5}}
  narrow: {{stages.sft.train.language_model.only: attention}}
seeds: [1, 2]
matched: [updates.language_model]
"""
GENERAL = Path(__file__).resolve().parents[2] / "recipes/general.yaml"


@pytest.fixture
def study(tmp_path):
    (tmp_path / "s.yaml").write_text(STUDY.format(base=GENERAL), encoding="utf-8")
    return load_study([str(tmp_path / "s.yaml")])


@pytest.fixture
def looked(monkeypatch):
    calls = []

    def facts(model, **more):
        calls.append(more["stages"])
        return ModelFacts(parameters={"language_model": len(calls)})

    monkeypatch.setattr(plans, "model_facts", facts)
    monkeypatch.setattr(plans, "light_facts", lambda recipe: ModelFacts())  # of a model that nothing is kept of
    plans._facts.cache_clear()
    yield calls
    plans._facts.cache_clear()


def test_equal_models_with_equal_parts_that_learn_are_looked_at_once(study, looked):
    made = {(one.arm, one.seed): plans.whole_plan(one.recipe) for one in study.recipes}
    assert len(looked) == 2, "rates and seeds do not matter, projections that learn do"
    assert {plan.stages[1].parts[2].parameters for (arm, _), plan in made.items() if arm == "narrow"} == {2}


def test_a_study_is_shown_as_one_and_in_full_run_by_run(study, looked, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    show_plans(study, full=False)
    shown = capsys.readouterr().out
    assert "3 arms x 2 seeds (1, 2) = 6 runs" in shown
    assert "updates.language_model: equal, 5,198" in shown
    assert "Jobs are not counted: prepare.0.root is '{data_root}/ai2d', but data_root is not given" in shown
    assert "run folder" not in shown
    words = [str(study.file), "data_root=downloads"]
    show_plans(load_study(words), full=False)
    assert "Jobs: " in capsys.readouterr().out
    show_plans(study, full=True)
    assert capsys.readouterr().out.count("run folder runs/s-") == 6


def test_a_study_that_is_not_matched_as_it_says_is_refused(study, looked):
    text = STUDY.format(base=GENERAL).replace("rate: {", "rate: {stages.sft.steps: 6000, ")
    study.file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"one 5,198, rate 6,000, narrow 5,198"):
        show_plans(load_study([str(study.file)]), full=False)
