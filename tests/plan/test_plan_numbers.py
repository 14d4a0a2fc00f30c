"""The sums of a plan: passes, samples, steps, batches, tokens, parameters, memory."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_fakes import FACTS, MODEL, PARTS, plan_of

from fgtrain.errors import UserError
from fgtrain.plan import DataFacts, ModelFacts, read_plan, samples_of, split_passes, steps_of, write_plan
from fgtrain.plan.arithmetic import held_bytes


@given(st.integers(1, 50), st.integers(0, 10**6))
def test_whole_passes_give_every_row_that_often(passes, rows):
    assert split_passes(passes, rows) == (passes, 0)
    assert samples_of(passes, rows) == passes * rows


@given(st.floats(0.001, 100), st.integers(0, 10**6))
def test_a_partial_pass_is_never_more_than_a_pass(passes, rows):
    whole, rest = split_passes(passes, rows)
    assert whole == int(passes)
    assert 0 <= rest <= rows
    assert samples_of(passes, rows) == pytest.approx(passes * rows, abs=0.5 + 1e-6)


def test_passes_are_read_as_written():
    assert samples_of(0.5, 11) == 6, "half up"
    assert samples_of(2.5, 11) == 28
    assert samples_of(1.15, 10) == 12, "1.15 * 10 is 11.499... in binary"
    assert samples_of(1.1, 10) == 11


@given(st.integers(1, 10**6), st.integers(1, 4096))
def test_steps_take_every_sample_and_no_step_is_empty(samples, size):
    steps = steps_of(samples, size)
    assert (steps - 1) * size < samples <= steps * size


EIGHT = ("devices.count=8", "devices.per_device_batch_size=1", "devices.accelerator=gpu")


def memory_bytes(*arguments) -> int:
    return sum(held_bytes(*arguments))


def test_the_numbers_of_a_small_recipe(tmp_path):
    plan = plan_of(tmp_path)
    align, sft = plan.stages
    assert (align.samples, align.steps, align.warmup_steps) == (1000, 16, 1)
    assert align.batch.last_step_samples == 1000 - 15 * 64
    assert (align.batch.per_device, align.batch.devices, align.batch.accumulation) == (8, 1, 8)
    assert (sft.samples, sft.steps, sft.warmup_steps) == (1900, 60, 2)
    assert (sft.questions, sft.tokens) == (3000 + 900, 50_000 + 18_000)
    assert (plan.samples, plan.steps, plan.tokens) == (2900, 76, 118_000)
    assert [part.trainable for part in align.parts] == [0, 100, 0]
    assert [part.trainable for part in sft.parts] == [0, 100, 600]
    assert plan.exposures == {"general": 2000, "fine": 900}
    assert plan.updates == {"vision_encoder": 0, "projector": 76, "language_model": 60}
    assert align.checkpoint == "runs/base/align/checkpoint"
    assert align.store == f"runs/.stages/{align.fingerprint}/checkpoint"
    assert plan.evaluated == ("start", "align", "sft")


def test_an_average_costs_a_number_a_learning_parameter_where_the_states_lie(tmp_path):
    for keys in (
        [],
        ["devices.count=2", "devices.strategy=deepspeed_stage_2"],
        ["devices.count=2", "devices.strategy=ddp"],
    ):
        plain = plan_of(tmp_path, *keys)
        ranks = 2 if "deepspeed" in "".join(keys) else 1
        for ema, numbers in (("0.9", 700), ("{decay: 0.9, parts: [language_model]}", 600)):
            plan = plan_of(tmp_path, *keys, f"stages.sft.ema={ema}")
            assert plan.stage("sft").memory_bytes - plain.stage("sft").memory_bytes == 4 * numbers / ranks
            assert plan.stage("sft").smaller.keys() >= plain.stage("sft").smaller.keys()
            assert plan.disk.resume - plain.disk.resume == 3 * 4 * numbers
            assert [part.ema for part in plan.stage("sft").parts] == [None, 0.9 if numbers == 700 else None, 0.9]
    offloaded = [*EIGHT, "devices.strategy=deepspeed_stage_2", "devices.offload=optimizer"]
    plain, plan = (plan_of(tmp_path, *offloaded, *more).stage("sft") for more in ([], ["stages.sft.ema=0.9"]))
    assert plan.memory_bytes == plain.memory_bytes
    assert 0 <= plan.host.training - plain.host.training - 4 * 700 <= 8 * 4


def test_a_full_last_step_counts_as_full(tmp_path):
    plan = plan_of(tmp_path, facts={**FACTS, "general": DataFacts(rows=640)})
    assert plan.stage("align").batch.last_step_samples == 64
    assert plan.stage("align").steps == 10


def test_a_stage_that_says_its_steps_takes_them_whatever_its_passes_give(tmp_path):
    sft = plan_of(tmp_path, "stages.sft.steps=100").stage("sft")
    assert (sft.steps, sft.samples, sft.batch.last_step_samples) == (100, 3200, 32)
    assert {data.name: data.samples for data in sft.data} == {"general": 1684, "fine": 1516}, "10 to 9"
    assert [data.passes for data in sft.data] == [1.684, 1516 / 450]
    assert sft.parts[2].updates == 100
    blind = plan_of(tmp_path, "stages.sft.steps=100", facts={})
    assert (blind.stage("sft").steps, blind.stage("sft").samples) == (100, 3200), "known before the data is"
    assert blind.updates["language_model"] == 100
    assert blind.exposures == {"general": None, "fine": None}


def test_how_the_work_is_spread_does_not_change_steps_or_samples(tmp_path):
    one = plan_of(tmp_path)
    for spread in (["devices.count=4"], ["devices.nodes=2", "devices.count=2"], ["devices.per_device_batch_size=2"]):
        other = plan_of(tmp_path, *spread)
        for a, b in zip(one.stages, other.stages, strict=True):
            assert (a.steps, a.samples, a.tokens, a.warmup_steps) == (b.steps, b.samples, b.tokens, b.warmup_steps)
            batch = b.batch
            assert batch.per_device * batch.devices * batch.accumulation == batch.global_batch_size


def test_moving_fine_grained_data_to_another_stage_changes_the_steps(tmp_path):
    at_alignment = plan_of(tmp_path, "stages.align.mix.fine=10", "stages.sft.mix.fine=null")
    at_sft = plan_of(tmp_path, "stages.sft.mix.fine=10")
    assert at_alignment.exposures == at_sft.exposures
    assert at_alignment.samples == at_sft.samples
    assert at_alignment.steps < at_sft.steps, "SFT's batches are half as large"
    assert at_alignment.updates["language_model"] < at_sft.updates["language_model"]


def test_what_is_unknown_stays_unknown_and_does_not_become_zero(tmp_path):
    plan = plan_of(tmp_path, facts={"general": FACTS["general"]}, model=ModelFacts())
    align, sft = plan.stages
    assert align.steps == 16
    assert (sft.samples, sft.steps, sft.tokens, sft.warmup_steps, sft.batch.last_step_samples) == (None,) * 5
    assert (plan.samples, plan.steps, plan.tokens) == (None, None, None)
    assert plan.exposures == {"general": 2000, "fine": None}
    assert plan.updates == {"vision_encoder": 0, "projector": None, "language_model": None}
    assert align.memory_bytes is None
    assert any("fine" in note and "rows: N" in note for note in plan.notes)


def test_lora_leaves_the_count_open_and_the_rest_known(tmp_path):
    sft = plan_of(tmp_path, "stages.sft.train.language_model.lora={rank: 4}").stage("sft")
    language_model = sft.parts[2]
    assert language_model.part == "language_model"
    assert (language_model.learns, language_model.lora_rank, language_model.trainable) == (True, 4, None)
    assert language_model.learning_rate == 2e-5


def test_a_stage_without_a_sample_is_refused(tmp_path):
    overrides = ["stages.align.mix={general: null, extra: 0.01}"]
    with pytest.raises(UserError, match=r"stages\.align\.mix gives no sample.*0\.01 of the 10 rows of extra"):
        plan_of(tmp_path, *overrides)


def test_a_plan_survives_json(tmp_path):
    for plan in (plan_of(tmp_path), plan_of(tmp_path, facts={}, model=ModelFacts(notes=("unknown",)))):
        write_plan(plan, tmp_path / "plan.json")
        assert read_plan(tmp_path / "plan.json") == plan
    (tmp_path / "plan.json").write_text('{"name": "x"}')
    with pytest.raises(UserError, match=r"plan\.json is not a plan of this version"):
        read_plan(tmp_path / "plan.json")


def test_planning_is_pure(tmp_path, monkeypatch):
    first = plan_of(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert plan_of(tmp_path) == first
    assert list((tmp_path / "elsewhere").iterdir()) == []


EIGHT_B = 8_000_000_000


def test_memory_by_hand():
    assert memory_bytes(1000, 0, "fp32", "auto", 1) == 4000, "frozen weights only"
    assert memory_bytes(1000, 100, "fp32", "auto", 1) == 4000 + 100 * (4 + 8)
    assert memory_bytes(1000, 100, "bf16", "ddp", 8) == 4000 + 100 * (4 + 8), "DDP spreads nothing"
    assert memory_bytes(EIGHT_B, EIGHT_B, "bf16", "deepspeed_stage_1", 16) == EIGHT_B * 6 + EIGHT_B * 12 // 16
    assert memory_bytes(EIGHT_B, EIGHT_B, "bf16", "deepspeed_stage_2", 16) == EIGHT_B * 2 + EIGHT_B * 16 // 16
    assert memory_bytes(EIGHT_B, EIGHT_B, "bf16", "deepspeed_stage_3", 16) == EIGHT_B * 18 // 16


@given(st.integers(1, 10**10), st.floats(0, 1), st.sampled_from(["fp32", "bf16"]), st.integers(1, 512))
def test_a_higher_zero_stage_never_needs_more(total, share, precision, devices):
    trainable = math.floor(total * share)
    sizes = [memory_bytes(total, trainable, precision, f"deepspeed_stage_{stage}", devices) for stage in (1, 2, 3)]
    assert sizes == sorted(sizes, reverse=True)


def test_memory_grows_with_what_learns(tmp_path):
    align, sft = plan_of(tmp_path, model=replace(MODEL, images=None)).stages  # so that activations are not counted
    total = sum(PARTS.values())
    assert align.memory_bytes == 4 * total + 12 * 100
    assert sft.memory_bytes == 4 * total + 12 * 700


def test_a_switched_off_stage_is_not_planned(tmp_path):
    plan = plan_of(tmp_path, "stages.align.enabled=false")
    assert [stage.name for stage in plan.stages] == ["sft"]
