"""A study's arms are matched to the row and the step, or the study is refused with what would match them."""

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plan_fakes import BASE, FACTS, MODEL

from fgtrain.errors import UserError
from fgtrain.plan import DataFacts, MatchedFact, ModelFacts, check_matched, data_facts, make_plan, matched
from fgtrain.plan.arithmetic import samples_of
from fgtrain.plan.matching import passes_of
from fgtrain.recipe import Study, load_study

STUDIES = sorted((Path(__file__).resolve().parents[2] / "recipes/studies").glob("*.yaml"))


def study_of(folder: Path, arms: str, matched: str, more: str = "") -> Study:
    """Arms over the small base, which has general data in both stages and none that is fine-grained."""
    (folder / "base.yaml").write_text(BASE.replace(", fine: 2}", "}"), encoding="utf-8")
    text = f"name: s\nbase: base.yaml\narms: {arms}\nmatched: {matched}\nseeds: [1, 2]\n{more}"
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    return load_study([str(folder / "s.yaml")])


def plans_of(study: Study, facts: dict[str, DataFacts] = FACTS, model: ModelFacts = MODEL):
    return {(one.arm, one.seed): make_plan(one.recipe, facts, model) for one in study.recipes}


def refused(study: Study, **known) -> str:
    with pytest.raises(UserError) as caught:
        check_matched(study, plans_of(study, **known))
    return str(caught.value)


ARMS = "{none: {}, early: {stages.align.mix.fine: 10}, late: {stages.sft.mix.fine: 10}}"


def test_what_is_equal_is_a_fact_with_every_arms_number(tmp_path):
    study = study_of(tmp_path, ARMS, "[exposures.fine, exposures.general, {what: tokens, but: [none]}]")
    fine, general, tokens = check_matched(study, plans_of(study))
    assert fine.values == {"none": 0, "early": 4500, "late": 4500}
    assert (fine.equal, fine.exempt, fine.note) == (True, ("none",), "without this data: none")
    assert (general.values["none"], general.equal, general.exempt, general.note) == (2000, True, (), "")
    assert (tokens.equal, tokens.exempt, tokens.note) == (True, ("none",), "left out by the study: none")
    assert tokens.values["early"] == 100_000 + 90_000
    assert MatchedFact.model_validate(json.loads(json.dumps(fine.model_dump(mode="json")))) == fine


def test_what_is_not_equal_is_refused_with_the_numbers_and_what_to_write(tmp_path):
    study = study_of(
        tmp_path, ARMS.replace("late: {stages.sft.mix.fine: 10}", "late: {stages.sft.mix.fine: 8}"), "[exposures.fine]"
    )
    assert refused(study).split("\n")[1:] == [
        "  exposures.fine: early 4,500, late 3,600",
        "They are matched with:",
        "  in late: stages.sft.mix.fine: 10",
    ]
    study = study_of(tmp_path, ARMS, "[updates.language_model]")
    assert refused(study).split("\n")[1:] == [
        "  updates.language_model: none 32, early 32, late 172",
        "They are matched with:",
        "  in none: stages.sft.steps: 172",
        "  in early: stages.sft.steps: 172",
    ]


def test_steps_are_added_without_touching_what_is_matched_as_well(tmp_path):
    arms = "{late: {stages.sft.mix.fine: 10}, split: {stages.align.mix.fine: 5, stages.sft.mix.fine: 5}}"
    study = study_of(tmp_path, arms, "[exposures.fine, updates.language_model]")
    told = refused(study)
    assert "exposures" not in told, "they are equal"
    # 172 x 32 - 2,250 of the 1,000 general rows
    assert told.split("\n")[-1] == "  in split: stages.sft.steps: 172, stages.sft.mix.general: 3.254"


def applied(study_file: Path, told: str) -> Study:
    """The study with what the message says written into its arms."""
    values = yaml.safe_load(study_file.read_text(encoding="utf-8"))
    for arm, changes in re.findall(r"^  in (\S+): (.*)$", told, re.M):
        for key, value in (change.split(": ") for change in changes.split(", ")):
            values["arms"][arm][key] = yaml.safe_load(value)
    study_file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return load_study([str(study_file)])


PASSES = st.sampled_from([None, 0.3, 1, 2, 2.5, 7, 10])
ONE_ARM = st.tuples(PASSES, PASSES, st.sampled_from([None, 40, 333]))


@given(
    st.lists(ONE_ARM, min_size=2, max_size=4, unique=True),
    st.sets(st.sampled_from(["exposures.fine", "updates.language_model", "updates.projector"]), min_size=1),
)
@settings(max_examples=80, deadline=None)
def test_what_the_message_says_matches_the_arms(tmp_path_factory, arms, matched):
    folder = tmp_path_factory.mktemp("arms")
    text = {}
    for number, (early, late, steps) in enumerate(arms):
        given_ = {
            "stages.sft.clip_norm": number + 1.0,
            "stages.align.mix.fine": early,
            "stages.sft.mix.fine": late,
            "stages.sft.steps": steps,
        }
        text[f"arm{number}"] = {key: value for key, value in given_.items() if value is not None}
    assume(any("mix" in key for changes in text.values() for key in changes))
    study = study_of(folder, yaml.safe_dump(text, default_flow_style=True, width=10_000).strip(), str(sorted(matched)))
    if all(fact.equal for fact in facts_of(study)):
        return
    told = refused(study)
    assert "They are matched with" in told, "general data can always fill"
    mended = applied(study.file, told)
    assert all(fact.equal for fact in check_matched(mended, plans_of(mended)))


def facts_of(study: Study) -> list:
    return [matched._fact(study, one, plans_of(study)) for one in study.matched]


def test_what_the_arms_differ_in_cannot_be_matched(tmp_path):
    study = study_of(tmp_path, "{a: {stages.sft.mix.fine: 1}, b: {stages.sft.mix.fine: 2}}", "[exposures.fine]")
    assert refused(study).endswith(
        "Matched, a and b would be equal: it is what they differ in. Take it out of matched."
    )


def test_where_nothing_can_fill_the_steps_it_is_said(tmp_path):
    arms = "{a: {stages.sft.mix: {general: null, fine: 2}}, "
    arms += "b: {stages.sft.clip_norm: 2.0, stages.sft.mix: {general: null, fine: 4}}}"
    study = study_of(tmp_path, arms, "[{what: exposures.fine, but: []}, updates.language_model, exposures.general]")
    assert "in a: stages.sft.mix.fine: 4" in refused(study), "matched exposures match the steps here"
    arms = "{a: {stages.sft.mix: {general: null, fine: 2}}, "
    arms += "b: {stages.sft: {mix: {general: null, fine: 2}, global_batch_size: 64}}}"
    study = study_of(tmp_path, arms, "[exposures.fine, updates.language_model]")
    assert "No passes and steps were found that match them all" in refused(study)


def test_tokens_that_differ_name_the_data_sets_that_are_seen_unequally_often(tmp_path):
    told = refused(study_of(tmp_path, ARMS, "[tokens]"))
    assert "tokens: none 100,000, early 190,000, late 190,000. They are equal where every data set is" in told
    assert told.endswith("these are not: fine")


def test_what_is_unknown_is_not_proven_and_no_error(tmp_path):
    unknown = {"general": FACTS["general"]}
    study = study_of(tmp_path, ARMS, "[exposures.fine, exposures.general, tokens]")
    fine, general, tokens = check_matched(study, plans_of(study, unknown))
    assert (fine.equal, general.equal, tokens.equal) == (None, True, None)
    assert "declare rows: N" in fine.note
    assert "the run proves it before it trains" in tokens.note
    assert fine.values == {"none": 0, "early": None, "late": None}


def test_at_each_point_of_a_grid_the_arms_are_matched(tmp_path):
    arms = "{with: {stages.align.mix.extra: 1}, without: {}}"
    grid = "grid: {stages.align.mix.fine: [1, 5]}\n"
    study = study_of(tmp_path, arms, "[exposures.fine]", grid)
    [fact] = check_matched(study, plans_of(study))
    assert fact.equal
    assert sorted(set(fact.values.values())) == [450, 2250]
    alone = study_of(tmp_path, "{}", "[exposures.fine]", grid)
    assert "fine_1 450, fine_5 2,250" in refused(alone), "one arm a point: the points are what is compared"


@given(st.integers(1, 10**7), st.integers(1, 10**6))
def test_passes_for_so_many_samples_give_exactly_those(samples, rows):
    assert samples_of(passes_of(samples, rows), rows) == samples


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_of_ours_asks_a_question_and_is_matched_as_it_says(path):
    study = load_study([str(path)])
    assert study.name == path.stem
    assert study.question.split("\n")[0].endswith("?")
    assert study.contrasts
    assert len(study.seeds) >= 3 or not any(one.recipe.enabled_stages for one in study.recipes)
    plans = {(one.arm, one.seed): make_plan(one.recipe, data_facts(one.recipe), ModelFacts()) for one in study.recipes}
    facts = check_matched(study, plans)
    assert [fact.equal for fact in facts] == [True] * len(study.matched)
    compared = [set(fact.values) - set(fact.exempt) for fact in facts]
    assert all(len(arms) > 1 for arms in compared), "a quantity of one arm is no match"
