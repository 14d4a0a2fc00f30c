"""What the recipe expects of a row estimates tokens and time and bounds memory, until rows have been counted."""

from dataclasses import replace

import pytest
from plan_fakes import CUT, FACTS, MODEL, PEAK, PIXELS, plan_of, recipe_of

from fgtrain.counts import Counts
from fgtrain.images import AnyRes, Native, Square
from fgtrain.plan import DataFacts, make_plan
from fgtrain.plan.expected import most_of_a_micro_batch, with_expected

ROW = "data.fine.expected={width: 128, height: 64, text_tokens: 30, learnt_tokens: 10, most_text_tokens: 50}"
DECLARED = {**FACTS, "fine": DataFacts(rows=450, declared=True)}


def test_a_row_is_its_picture_in_the_models_tokens_and_its_text(tmp_path):
    facts = with_expected(recipe_of(tmp_path, ROW), DECLARED, CUT)["fine"]
    one = 3 * 16 + 30  # two tiles and the whole
    assert facts.tokens_per_pass == 450 * one
    assert facts.counts_per_pass == Counts(one, 48, 10, one * (one + 1) // 2).times(450)
    assert (facts.images, facts.expected) == (450, True)


def test_rows_without_a_picture_count_by_their_share(tmp_path):
    row = ROW.replace("{width", "{pictures: 0.5, width")
    facts = with_expected(recipe_of(tmp_path, row), DECLARED, CUT)["fine"]
    assert (facts.tokens_per_pass, facts.images) == (450 * (24 + 30), 225)


def test_an_estimate_gives_tokens_time_and_memory_and_says_so(tmp_path):
    plan = make_plan(recipe_of(tmp_path, ROW), DECLARED, CUT, peak=PEAK)
    stage = plan.stage("sft")
    assert [data.expected for data in stage.data] == [False, True]
    assert stage.tokens == 50_000 + 2 * 450 * (48 + 30)
    assert stage.seconds is not None
    assert stage.bounded
    assert any("estimated" in note and "fine" in note for note in plan.notes)


def test_what_was_counted_is_never_replaced_by_an_estimate(tmp_path):
    assert with_expected(recipe_of(tmp_path, ROW), FACTS, CUT) == FACTS
    plan = plan_of(tmp_path, ROW)
    assert plan.tokens == plan_of(tmp_path).tokens


def test_an_estimate_is_in_no_fingerprint(tmp_path):
    a, b = (plan_of(tmp_path, *words, facts=DECLARED, model=CUT) for words in ([], [ROW]))
    assert a.stages[1].fingerprint == b.stages[1].fingerprint


def test_no_micro_batch_is_heavier_than_the_bound(tmp_path):
    recipe = recipe_of(tmp_path, ROW, "stages.sft.mix.general=null", "devices.per_device_batch_size=4")
    assert most_of_a_micro_batch(recipe, recipe.stages["sft"], CUT) == Counts(
        4 * (80 + 50), 4 * 80, 4 * 50, 4 * 130 * 131 // 2
    )
    short = recipe_of(tmp_path, ROW, "stages.sft.mix.general=null", "model.max_tokens=100")
    assert most_of_a_micro_batch(short, short.stages["sft"], CUT).tokens == 8 * 100
    unknown = recipe_of(tmp_path, "stages.sft.mix.general=null")
    assert most_of_a_micro_batch(unknown, unknown.stages["sft"], CUT).tokens == 8 * unknown.model.max_tokens
    assert most_of_a_micro_batch(unknown, unknown.stages["sft"], replace(MODEL, images=None)) is None


def test_a_counted_micro_batch_goes_before_the_bound(tmp_path):
    recipe = recipe_of(tmp_path)
    counted = make_plan(recipe, FACTS, CUT, heaviest={"sft": Counts(100, 32, 10, 500)}).stage("sft")
    assert (counted.heaviest_tokens, counted.bounded) == (100, False)
    assert counted.memory_bytes < make_plan(recipe, FACTS, CUT).stage("sft").memory_bytes


SPECS = [
    Square(size=64, tokens=16, **PIXELS),
    CUT.images,
    replace(CUT.images, max_tiles=1),
    Native(patch=14, merge=2, frames=2, min_pixels=3136, max_pixels=1003520, **PIXELS),
    AnyRes(
        size=64, tokens=16, side=4, resolutions=((64, 128), (128, 64), (128, 128), (64, 192)), max_squares=3, **PIXELS
    ),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}{getattr(spec, 'max_tiles', '')}")
def test_no_picture_has_more_tokens_than_the_most(spec):
    sides = [1, 7, 50, 64, 100, 127, 128, 300, 1000, 3000]
    shapes = [(w, h) for w in sides for h in sides if max(w, h) <= 190 * min(w, h)]
    assert max(spec.layout(*shape).tokens for shape in shapes) <= spec.most_tokens
