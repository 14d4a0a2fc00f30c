"""A frozen encoder's outputs are kept where that is possible and fits; the run and its plan decide it in one place."""

from dataclasses import replace

import pytest
from plan_fakes import CUT, FACTS, MODEL, plan_of, recipe_of

from fgtrain.errors import UserError
from fgtrain.plan import evaluation_uses_encoder_cache, uses_encoder_cache

GIB = 2**30


def encoder(folder, *overrides, stage="sft", facts=FACTS, model=MODEL):
    plan = plan_of(folder, *overrides, facts=facts, model=model).stage(stage).encoder
    assert plan.cached is uses_encoder_cache(recipe_of(folder, *overrides), stage, model, facts)
    return plan


def test_a_frozen_encoder_on_fixed_pictures_is_replaced_by_its_outputs(tmp_path):
    found = encoder(tmp_path)
    assert (found.cached, found.why) == (True, "")
    assert found.views == {"general": 900, "fine": 450}, "passes do not add pictures"
    assert found.bytes == (900 + 450) * 16 * 32 * 4


@pytest.mark.parametrize(
    ("overrides", "model", "why"),
    [
        (["stages.sft.train.vision_encoder=1e-4"], MODEL, "learns"),
        (["stages.sft.augment=flip_crop"], MODEL, "anew in each pass"),
        (["stages.sft.augment.fine=autoaugment"], MODEL, "anew in each pass"),
        (["encoder_cache.enabled=false"], MODEL, "enabled"),
        ([], CUT, "differs in size"),
        (["encoder_cache.max_gib=0.001"], MODEL, "more than encoder_cache.max_gib: 0.001"),
    ],
)
def test_a_stage_goes_without_a_cache_and_says_why(tmp_path, overrides, model, why):
    found = encoder(tmp_path, *overrides, model=model)
    assert not found.cached
    assert why in found.why


def test_a_cache_of_exactly_the_bound_is_used(tmp_path):
    size = (900 + 450) * 16 * 32 * 4
    assert encoder(tmp_path, f"encoder_cache.max_gib={size / GIB!r}").cached
    assert not encoder(tmp_path, f"encoder_cache.max_gib={(size - 1) / GIB!r}").cached


def test_part_of_a_pass_shows_part_of_the_pictures(tmp_path):
    assert encoder(tmp_path, "stages.sft.mix.fine=0.1").views["fine"] == 45


def test_steps_that_show_less_than_a_pass_show_fewer_pictures(tmp_path):
    assert encoder(tmp_path, "stages.sft.steps=10").views == {"general": round(900 * 168 / 1000), "fine": 152}
    assert encoder(tmp_path, "stages.sft.steps=100").views == {"general": 900, "fine": 450}


def test_every_fixed_view_counts_but_not_more_than_passes_show(tmp_path):
    fixed = ["stages.sft.augment=flip_crop", "stages.sft.augment_views=4"]
    assert encoder(tmp_path, *fixed).views == {"general": 900, "fine": 2 * 450}
    assert encoder(tmp_path, *fixed, "stages.sft.mix.fine=10").views["fine"] == 4 * 450
    one = ["stages.sft.augment.fine=flip_crop", fixed[1], "stages.sft.mix={general: 10, fine: 10}"]
    assert encoder(tmp_path, *one).views == {"general": 900, "fine": 4 * 450}, "the others stay as they are"


def test_a_mosaic_is_another_picture_in_each_pass(tmp_path):
    facts = {**FACTS, "fine": replace(FACTS["fine"], composed=True)}
    assert encoder(tmp_path, "stages.sft.mix.fine=10", facts=facts).views["fine"] == 10 * 450


def test_a_declared_row_is_taken_for_a_picture(tmp_path):
    facts = {**FACTS, "fine": replace(FACTS["fine"], images=None)}
    assert encoder(tmp_path, facts=facts).views["fine"] == 450
    assert encoder(tmp_path, facts={}).bytes is None


def test_clip_on_llavas_alignment_pictures_is_beyond_the_bound(tmp_path):
    model = replace(MODEL, features=576 * 1024)
    facts = {**FACTS, "general": replace(FACTS["general"], rows=558_128, images=558_128)}
    found = encoder(tmp_path, stage="align", facts=facts, model=model)
    assert found.bytes == pytest.approx(1.32e12, rel=0.01)
    assert not found.cached
    assert encoder(tmp_path, "encoder_cache.max_gib=2000", stage="align", facts=facts, model=model).cached


def test_evaluation_reads_the_cache_unless_a_stage_changes_the_encoder(tmp_path):
    recipe = recipe_of(tmp_path)
    assert evaluation_uses_encoder_cache(recipe, MODEL, 1000)
    assert not evaluation_uses_encoder_cache(recipe, CUT, 1000)
    assert not evaluation_uses_encoder_cache(recipe, MODEL, 10**9)
    learning = recipe_of(tmp_path, "stages.align.train.vision_encoder=1e-4")
    assert not evaluation_uses_encoder_cache(learning, MODEL, 1000)


def test_the_cache_changes_no_fingerprint(tmp_path):
    plans = [plan_of(tmp_path, f"encoder_cache.enabled={text}") for text in ("true", "false")]
    assert plans[0].stages[1].fingerprint == plans[1].stages[1].fingerprint


@pytest.mark.parametrize("text", ["encoder_cache.max_gib=0", "encoder_cache.enabled=2", "evaluation.limit=0"])
def test_values_that_make_no_sense_are_refused(tmp_path, text):
    with pytest.raises(UserError, match=text.split("=")[0].replace(".", r"\.")):
        recipe_of(tmp_path, text)


def test_a_row_cannot_be_expected_to_learn_more_than_it_holds(tmp_path):
    with pytest.raises(UserError, match=r"learnt_tokens is 9, more than all text of a row \(5 text_tokens\)"):
        recipe_of(tmp_path, "data.fine.expected={text_tokens: 5, learnt_tokens: 9}")
