"""A comparison tells the consequences, which work is shared, and what would make a conclusion unfair."""

from plan_fakes import FACTS, MODEL, recipe_of

from fgtrain.plan import compare_plans, make_plan


def compared(tmp_path, first: list[str], second: list[str], facts=FACTS):
    a, b = recipe_of(tmp_path, "name=a", *first), recipe_of(tmp_path, "name=b", *second)
    return compare_plans(a, make_plan(a, facts, MODEL), b, make_plan(b, facts, MODEL))


def rows(comparison) -> dict:
    return {(row.stage, row.what): (row.a, row.b) for row in comparison.consequences}


def test_equal_recipes_share_everything_and_differ_in_nothing(tmp_path):
    found = compared(tmp_path, [], [])
    assert [difference.key for difference in found.differences] == ["name"]
    assert found.shared == ("align", "sft")
    assert all(row.a == row.b for row in (*found.consequences, *found.exposures, *found.updates))
    assert found.remarks == ()


def test_moving_data_tells_steps_and_unequal_updates(tmp_path):
    found = compared(tmp_path, ["stages.align.mix.fine=10", "stages.sft.mix.fine=null"], ["stages.sft.mix.fine=10"])
    told = rows(found)
    assert told["align", "steps"] == (86, 16)
    assert told["sft", "steps"] == (32, 172)
    assert told["", "samples"] == (6500, 6500)
    assert found.shared == ()
    assert any("fine moves between stages at equal exposures (4,500 samples)" in remark for remark in found.remarks)
    assert any("Updates of the language model do not match (32 and 172)" in remark for remark in found.remarks)


def test_unequal_exposures_are_remarked(tmp_path):
    found = compared(tmp_path, [], ["stages.sft.mix.fine=3"])
    assert found.shared == ("align",)
    assert any("Exposures of fine do not match (900 and 1,350)" in remark for remark in found.remarks)


def test_a_baseline_without_the_data_is_no_unfair_comparison(tmp_path):
    found = compared(tmp_path, ["stages.sft.mix.fine=null"], [])
    assert not any("Exposures" in remark for remark in found.remarks)


def test_a_third_stage_shares_the_first_two(tmp_path):
    stage = "stages.fg={train: {language_model: 1e-5}, mix: {fine: 1}, global_batch_size: 32}"
    found = compared(tmp_path, [], [stage])
    assert found.shared == ("align", "sft")
    assert rows(found)["fg", "steps"] == (0, 15)


def test_one_run_folder_for_two_recipes_is_remarked(tmp_path):
    found = compared(tmp_path, [], ["name=a", "seed=3"])
    assert any("one run folder" in remark for remark in found.remarks)
    assert any("Seeds differ (17, 3)" in remark for remark in found.remarks)


def test_unknown_numbers_are_no_conclusion(tmp_path):
    found = compared(tmp_path, [], ["stages.sft.mix.fine=3"], facts={})
    assert rows(found)["", "steps"] == (None, None)
    assert found.remarks == ()
