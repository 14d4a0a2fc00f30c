"""A stage that replays is known by what its rows are chosen from and by, and the plan says what choosing costs."""

import re

import pytest
from plan_fakes import BASE, FACTS, plan_of, recipe_of

from fgtrain.errors import UserError

REPLAYING = """\
  replayed:
    what: replay
    rows: 80
    options: {of: [general, extra], by: forgotten_rows, between: [sft, probe]}
stages:
  align: {train: {projector: 1.0e-3}, mix: {general: 1}, global_batch_size: 64}
  sft: {train: {projector: 2.0e-5, language_model: 2.0e-5}, mix: {general: 1, fine: 2}, global_batch_size: 32}
  probe: {train: {language_model: 2.0e-5}, mix: {fine: 1}, global_batch_size: 32}
  fg: {after: sft, train: {language_model: 2.0e-5}, mix: {fine: 4, replayed: 2}, global_batch_size: 32}
"""
TEXT = re.sub(r"stages:\n.*?(?=evaluation)", REPLAYING, BASE, flags=re.DOTALL)


def fg(tmp_path, *overrides: str, **more):
    return plan_of(tmp_path, *overrides, text=TEXT, **more).stage("fg")


def test_exposures_are_those_that_the_last_checkpoint_has_seen(tmp_path):
    plan = plan_of(tmp_path, text=TEXT)
    assert plan.exposures == {"general": 2000, "fine": 900 + 1800, "extra": 0, "replayed": 160}
    assert plan.lineage == ("align", "sft", "fg")
    assert any("without probe" in note for note in plan.notes)
    assert plan.updates["language_model"] == 60 + 62  # 1,900 and 1,960 samples, 32 a step
    assert plan.tokens > sum(plan.stage(name).tokens for name in plan.lineage)  # but the probe costs what it costs


def test_own_answers_hang_on_who_answers_what(tmp_path):
    text = TEXT.replace("by: forgotten_rows, between: [sft, probe]", "by: random, answers: sft")
    prints = {}
    for override in ("rows=80", "answers=probe", "questions=[What is it]", "max_new_tokens=8"):
        key = "data.replayed." if override.startswith("rows") else "data.replayed.options."
        made = plan_of(tmp_path, key + override, text=text)
        prints[override] = made.stage("fg").fingerprint
        assert made.exposures["replayed"] == 160
        assert any("answered by" in note for note in made.notes)
    assert len({fg(tmp_path).fingerprint, *prints.values()}) == 5
    for wrong in ("by=forgotten_sets", "answers=fg", "answers=nobody"):
        with pytest.raises(UserError, match=r"options\.answers"):
            plan_of(tmp_path, f"data.replayed.options.{wrong}", "data.replayed.options.between=[sft, probe]", text=text)
    with pytest.raises(UserError, match="nobody answers"):
        plan_of(tmp_path, "data.replayed.options.questions=[What is it]", text=TEXT)


def test_what_choosing_costs_is_counted(tmp_path):
    [choice] = fg(tmp_path).choices
    tokens = 2 * (FACTS["general"].tokens_per_pass + FACTS["extra"].tokens_per_pass)
    assert (choice.candidates, choice.tokens) == (1010, tokens)
    assert choice.seconds > 0
    [fewer] = fg(tmp_path, "data.replayed.options.among=101").choices
    assert (fewer.candidates, fewer.tokens) == (101, tokens // 10)
    assert fewer.seconds < choice.seconds
    text = TEXT.replace("forgotten_rows, between: [sft, probe]", "random")
    [drawn] = plan_of(tmp_path, text=text).stage("fg").choices
    assert (drawn.tokens, drawn.seconds) == (0, 0.0)
    hours = plan_of(tmp_path, text=TEXT).device_hours.training - plan_of(tmp_path, text=text).device_hours.training
    assert hours == pytest.approx(choice.seconds / 3600)


@pytest.mark.parametrize(
    "override",
    [
        "seed=5",
        "data.replayed.rows=79",
        "data.replayed.options.by=forgotten_sets",
        "data.replayed.options.among=500",
        "data.replayed.options.parts=folder",
        "data.replayed.options.of=[general]",
        "data.replayed.options.between=[align, probe]",
        "stages.probe.train.language_model=3.0e-5",
        "stages.probe.mix.fine=2",
    ],
)
def test_what_decides_which_rows_are_replayed_is_in_the_fingerprint(tmp_path, override):
    one, other = fg(tmp_path), fg(tmp_path, override)
    assert one.fingerprint != other.fingerprint
    assert one.inputs != other.inputs
    assert one.data[1].chosen != other.data[1].chosen


def test_what_is_not_replayed_moves_nothing(tmp_path):
    assert fg(tmp_path).fingerprint == fg(tmp_path, "devices.per_device_batch_size=4").fingerprint
    unused = plan_of(tmp_path, "stages.fg.mix.replayed=null", text=TEXT)
    without = plan_of(tmp_path, "stages.fg.mix.replayed=null", "data.replayed=null", text=TEXT)
    assert [one.fingerprint for one in unused.stages] == [one.fingerprint for one in without.stages]
    assert "replayed" not in unused.exposures
    assert unused.stage("fg").choices == ()


def test_it_is_provisional_until_what_it_is_chosen_by_is_final(tmp_path):
    assert not fg(tmp_path).provisional
    missing = {name: known for name, known in FACTS.items() if name != "extra"}
    assert fg(tmp_path, facts=missing).provisional  # no stage mixes it, but rows may come from it


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.replayed.rows=null", "data.replayed.rows is missing"),
        ("data.replayed.options.of=[genral]", "Did you mean general?"),
        ("data.replayed.options.of=[general, general]", "named twice"),
        ("data.replayed.options.of=[]", "data.replayed.options.of"),
        ("data.replayed.options.by=forgotten", "is forgotten. Did you mean forgotten_sets"),
        ("data.replayed.options.bye=random", "options.bye is no key here. Did you mean by"),
        ("data.replayed.options.by=random", "data.replayed.options.between is given"),
        ("data.replayed.options.between=null", "between: \\[sft, probe\\]"),
        ("data.replayed.options.between=[sft, sft]", "twice"),
        ("data.replayed.options.between=[sft, fg]", "no checkpoint before stage fg"),
        ("data.replayed.options.among=79", "fewer than the 80 rows"),
        ("data.replayed.root=x", "Remove it"),
        ("stages.probe.enabled=false", "no checkpoint before stage fg"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(tmp_path, override, message):
    with pytest.raises(UserError, match=message):
        recipe_of(tmp_path, override, text=TEXT)
