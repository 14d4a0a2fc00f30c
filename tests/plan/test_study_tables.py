"""The plan of a study fits two screens at 80 columns, and no number breaks."""

import io
import re
from dataclasses import replace

import pytest
from plan_fakes import BASE, FACTS, MODEL, PEAK, PROGRAM
from rich.console import Console

from fgtrain.images import Square
from fgtrain.plan import check_matched, make_plan, study_tables
from fgtrain.plan.study_hours import distinct_stages, study_hours
from fgtrain.plan.study_tables import hours_text, print_study_plan, told
from fgtrain.recipe import Study, load_study

PIXELS = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "resample": "bicubic"}
SQUARE = replace(MODEL, images=Square(size=64, tokens=16, **PIXELS), features=16 * 32)
LARGE = {name: replace(facts, rows=facts.rows * 1000) for name, facts in FACTS.items()}


def study_of(folder, arms: str, more: str = "") -> Study:
    (folder / "base.yaml").write_text(
        BASE.replace("extra: {path: extra}", "extra: {path: extra}\n  more: {path: more}")
    )
    text = f"# Does it help?\n#\n# More about it.\nname: s\nbase: base.yaml\narms: {arms}\nseeds: [1, 2, 3]\n{more}"
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    return load_study([str(folder / "s.yaml")])


def planned(study: Study, facts=FACTS):
    return {(one.arm, one.seed): make_plan(one.recipe, facts, SQUARE, PROGRAM, peak=PEAK) for one in study.recipes}


def printed(study: Study, facts=FACTS, width: int = 80, jobs=None) -> str:
    plans = planned(study, facts)
    console = Console(file=io.StringIO(), width=width)
    print_study_plan(study, plans, check_matched(study, plans), jobs, console)
    return console.file.getvalue()


TWELVE = ", ".join(
    f"arm_with_a_rather_long_name_{n}: {{stages.align.mix.fine: {n + 1}, stages.sft: {{weight_decay: 0.{n + 1}, "
    f"mix: {{extra: {n + 1}.5, general: 1.25}}}}, devices.precision: bf16}}"
    for n in range(12)
)
GRID = "grid: {stages.align.mix.fine: [1, 2, 3, 4], stages.sft.mix.extra: [1, 2, 3]}\nmatched: [exposures.general]\n"


def test_of_very_many_arms_the_first_are_listed_and_the_rest_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(study_tables, "MOST_ARMS", 5)
    study = study_of(tmp_path, "{}", GRID)
    text = printed(study)
    assert [arm.name in text.split("Matched:")[0] for arm in study.arms] == [True] * 5 + [False] * 7
    assert "and 7 more arms: --plan --full" in text


@pytest.mark.parametrize(("arms", "more"), [(f"{{{TWELVE}}}", "matched: [exposures.general]\n"), ("{}", GRID)])
def test_twelve_arms_and_three_seeds_fit_two_screens_and_no_number_breaks(tmp_path, arms, more):
    study = study_of(tmp_path, arms, more)
    assert len(study.recipes) == 36
    text = printed(study, LARGE, jobs={"build": 3, "train": 60})
    lines = text.split("\n")
    assert len(lines) <= 90
    assert max(map(len, lines)) <= 80
    for plan in planned(study, LARGE).values():
        for value in (plan.steps, plan.samples):
            assert re.search(rf"(^|\s){value:,}(\s|$)", text), f"{value:,} stands in one piece"
    assert "12 arms x 3 seeds (1, 2, 3) = 36 runs" in text


def test_a_long_name_of_a_data_set_folds_and_its_numbers_do_not(tmp_path):
    name = "short_answers_about_fine_grained_categories_of_six_sources"
    base = BASE.replace("extra: {path: extra}", f"{name}: {{path: extra}}")
    (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
    text = f"name: s\nbase: base.yaml\narms: {{a: {{}}, b: {{stages.align.mix.{name}: 10}}}}\n"
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    shown = printed(load_study([str(tmp_path / "s.yaml")]), LARGE | {name: replace(FACTS["extra"], rows=1_234_567)})
    assert re.search(r" 12,345,670 ", shown)
    assert max(map(len, shown.split("\n"))) <= 80


def test_a_row_says_what_differs_in_few_words_and_the_numbers_of_the_arm(tmp_path):
    study = study_of(tmp_path, "{none: {stages.sft.mix.fine: null}, early: {stages.align.mix.fine: 2}, late: {}}")
    text = printed(study, width=100)
    assert "s  Does it help?" in text
    assert "More about it" not in text, "the first paragraph asks"
    rows = {line.split()[0]: line for line in text.split("\n") if line[:5].strip() in ("none", "early", "late")}
    assert "sft: no fine" in rows["none"]
    assert "align: fine x2" in rows["early"]
    assert rows["late"].split()[1:5] == ["-", "76", "2,900", "900"]
    assert rows["none"].split()[4:7] == ["48", "2,000", "0"]
    assert "fine: samples of it" in text


def test_changes_are_told_stage_by_stage(tmp_path):
    stage = "{train: {projector: 1.0e-3}, mix: {fine: 1}, global_batch_size: 64}"
    arms = "{a: {}, b: {stages.align: null, stages.sft.steps: 1600, stages.sft.mix: {fine: null, extra: 0.5}, "
    study = study_of(
        tmp_path, arms + f"stages.last: {stage}, devices.precision: bf16, stages.sft.augment: flip_crop}}}}"
    )
    assert [told(arm.changes) for arm in study.arms] == [
        "-",
        "sft: no fine, extra x0.5, steps 1,600, augment flip_crop; no stage align; stage last; devices.precision bf16",
    ]


def test_what_all_arms_change_is_said_once(tmp_path):
    arms = "{a: {}, b: {stages.align.mix.fine: 2}}\nchanges: {stages.sft.weight_decay: 0.5}"
    text = printed(study_of(tmp_path, arms))
    assert "in all arms: sft: weight_decay 0.5" not in text, "changes of the study are no difference from its base"
    leaf = "extends: base.yaml\nname: leaf\ndevices: {precision: bf16}\n"
    (tmp_path / "leaf.yaml").write_text(leaf, encoding="utf-8")
    arms = "{a: {recipe: leaf.yaml}, b: {recipe: leaf.yaml, stages.align.mix.fine: 2}}"
    text = printed(study_of(tmp_path, arms))
    assert text.count("precision bf16") == 1
    assert "in all arms: devices.precision bf16" in text


def test_what_is_shared_and_what_is_matched_is_said(tmp_path):
    arms = "{none: {stages.sft.mix.fine: null}, late: {}, other: {stages.align.mix.extra: 1}}"
    text = printed(study_of(tmp_path, arms, "matched: [exposures.fine]\n"))
    assert "Matched:\n  exposures.fine: equal, 900 (without this data: none)" in text
    assert "Shared: 3 arms x 3 seeds: 18 stages, 15 distinct" in text
    assert "  align is trained once for none, late" in text
    assert "nothing is claimed to be equal between arms" in printed(study_of(tmp_path, arms))


def test_equal_work_costs_once(tmp_path):
    arms = "{none: {stages.sft.mix.fine: null}, late: {}}"
    study = study_of(tmp_path, arms)
    plans = planned(study)
    once = study_hours(study, plans)
    distinct = distinct_stages(plans)
    assert len(distinct) == 9
    assert once.training == pytest.approx(sum(stage.seconds for stage in distinct.values()) / 3600)
    each = [plan.device_hours for plan in plans.values()]
    assert once.training < sum(hours.training for hours in each)
    # Six checkpoints after SFT, three after an alignment that both arms share, three untrained models.
    assert once.evaluation == pytest.approx(sum(hours.evaluation for hours in each) * 12 / 18)
    assert 0 < once.encoding == pytest.approx(max(hours.encoding for hours in each)), "pictures are those of all seeds"
    assert once.all == once.training + once.encoding + once.evaluation


def test_a_recipe_alone_costs_what_its_plan_says(tmp_path):
    study_of(tmp_path, "{a: {}}")
    alone = load_study([str(tmp_path / "base.yaml")])
    plans = planned(alone)
    ours, theirs = study_hours(alone, plans), plans["base", 17].device_hours
    for what in ("training", "encoding", "evaluation", "all"):
        assert getattr(ours, what) == pytest.approx(getattr(theirs, what))


def test_hours_are_read_at_a_glance():
    assert [hours_text(hours) for hours in (None, 0, 0.044, 1.26, 12345.6)] == ["unknown", "0", "0.04", "1.3", "12,346"]
