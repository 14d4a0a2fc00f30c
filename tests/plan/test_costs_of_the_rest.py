"""Encoding, asking, host memory and disk: each is counted once, where the run does it."""

from dataclasses import replace

import pytest
from plan_fakes import BASE, CUT, FACTS, MODEL, PARTS, PEAK, plan_of, recipe_of

from evaluation.tasks.task import Item, Task
from fgtrain.plan import Asked, Peak, asked_of, assumed_peak, make_plan
from fgtrain.plan.arithmetic import held_bytes, offloaded_bytes, on_device
from fgtrain.plan.cost import ASSUMED_MFU
from fgtrain.plan.disk import ANSWER
from fgtrain.plan.evaluation import BYTES_A_WEIGHT, published, reading_flops
from fgtrain.plan.host import CPU_PROGRAM, PROGRAM, WEIGHTS_FILE, WORKER, host_plan

ASKED = {"fgbmk": Asked(questions=100, images=20, width=64, height=64, prompt_tokens=10, answer_tokens=4)}


def planned(folder, *overrides, model=MODEL, facts=FACTS, asked=ASKED, peak=PEAK, text=BASE):
    return make_plan(recipe_of(folder, *overrides, text=text), facts, model, peak=peak, asked=asked)


# ---- the encoder's cache


def test_a_picture_is_encoded_once_for_all_stages(tmp_path):
    align, sft = (stage.encoder for stage in planned(tmp_path).stages)
    assert (align.new_views, sft.new_views) == (900, 450)
    assert align.seconds == pytest.approx(900 * 16 * 2000 / (5e8 * ASSUMED_MFU)), "forward, in fp32"


def test_after_the_encoder_has_learnt_all_is_encoded_anew(tmp_path):
    between = "stages.mid={train: {vision_encoder: 1e-4}, mix: {general: 1}, global_batch_size: 32}"
    later = "stages.last={train: {projector: 1e-4}, mix: {general: 1}, global_batch_size: 32}"
    plan = planned(tmp_path, between, later)
    assert [stage.encoder.new_views for stage in plan.stages] == [900, 450, 0, 900]


def test_encoding_in_each_pass_is_training_time_and_kept_outputs_are_not(tmp_path):
    kept, anew = planned(tmp_path), planned(tmp_path, "encoder_cache.enabled=false")
    assert anew.device_hours.encoding == 0
    assert kept.stages[0].work.per_image_token < anew.stages[0].work.per_image_token
    tokens = FACTS["general"].counts_per_pass.image_tokens
    assert anew.stages[0].flops - kept.stages[0].flops == pytest.approx(tokens * 2000)


def test_hours_are_those_of_all_devices_and_add_up(tmp_path):
    one, four = planned(tmp_path), planned(tmp_path, "devices.count=4")
    hours = one.device_hours
    assert hours.training == pytest.approx(sum(stage.seconds for stage in one.stages) / 3600)
    assert hours.all == pytest.approx(hours.training + hours.encoding + hours.evaluation)
    assert four.device_hours.training == pytest.approx(hours.training)


def test_heads_train_the_encoder_alone_on_one_device(tmp_path):
    heads = "stages.last={objective: heads, train: {vision_encoder: 1e-4}, mix: {general: 2}, global_batch_size: 32}"
    tokens = 2 * FACTS["general"].counts_per_pass.image_tokens
    for count in (1, 4):
        before, plan = (planned(tmp_path, f"devices.count={count}", *more) for more in ((), (heads,)))
        assert plan.stages[-1].flops == pytest.approx(3 * 2000 * tokens), "forward, and backward twice that"
        assert plan.stages[-1].seconds == pytest.approx(plan.stages[-1].flops / (5e8 * ASSUMED_MFU)), "in fp32"
        added = plan.device_hours.training - before.device_hours.training
        assert added == pytest.approx(plan.stages[-1].seconds / 3600), "the other devices are not held"


def test_what_is_unknown_makes_the_sum_unknown(tmp_path):
    plan = planned(tmp_path, "evaluation.tasks=[fgbmk/nobody_knows]", asked={})
    assert plan.device_hours.training is not None
    assert (plan.device_hours.evaluation, plan.device_hours.all) == (None, None)
    assert any("fgbmk/nobody_knows" in note for note in plan.notes)


# ---- asking


def test_every_checkpoint_is_asked_everything(tmp_path):
    plan = planned(tmp_path)
    assert [(one.checkpoint, one.during, one.questions, one.images) for one in plan.evaluations] == [
        (name, False, 100, 20) for name in ("start", "align", "sft")
    ]


def test_subsets_are_asked_during_the_stages(tmp_path):
    plan = planned(tmp_path, "evaluation.every_steps=5", "evaluation.subset=10")
    during = {one.checkpoint: one.questions for one in plan.evaluations if one.during}
    assert during == {"align": 16 // 5 * 10, "sft": 60 // 5 * 10}


def test_a_limit_bounds_every_question_file(tmp_path):
    asked = {"fgbmk": replace(ASKED["fgbmk"], files=3)}
    assert planned(tmp_path, "evaluation.limit=15", asked=asked).evaluations[0].questions == 45
    assert planned(tmp_path, "evaluation.limit=15", asked=asked).evaluations[0].images == 20
    assert planned(tmp_path, "evaluation.limit=1000", asked=asked).evaluations[0].questions == 100


def test_an_image_is_read_once_however_many_questions_it_has():
    shape, asked = MODEL.shape, ASKED["fgbmk"]
    once, twice = (reading_flops(shape, 16, replace(asked, questions=n), cached=True) for n in (100, 200))
    doubled = reading_flops(shape, 16, replace(asked, questions=200, images=40), cached=True)
    assert twice < doubled
    assert doubled == pytest.approx(2 * once)
    assert reading_flops(shape, 16, asked, cached=False) - once == pytest.approx(20 * 16 * 2000)


def test_writing_answers_is_bound_by_memory(tmp_path):
    slow, fast = (planned(tmp_path, peak=replace(PEAK, memory=memory)) for memory in (1e3, None))
    steps = 2 * 4  # 100 questions in batches of 64, 4 tokens each
    more = slow.evaluations[0].seconds - fast.evaluations[0].seconds
    assert more == pytest.approx(steps * (500 + 8 * 10) * BYTES_A_WEIGHT["fp32"] / 1e3)


def test_published_counts_stand_in_until_files_are_counted(tmp_path):
    plan = planned(tmp_path, "evaluation.tasks=[pope, frow]", asked={})
    assert plan.evaluations[0].questions == 9000 + 859
    assert any("Questions as published" in note for note in plan.notes)
    assert set(published()) >= {"fgbmk", "frow", "ai2d", "chartqa", "docvqa", "infovqa", "mathvista", "pope"}


def test_a_recipe_with_questions_of_its_own_asks_no_published_ones(tmp_path):
    plan = planned(tmp_path, "prepare=[{what: fgbmk, out: out}]", asked={})
    assert plan.evaluations[0].questions is None
    assert planned(tmp_path, "prepare=[{what: general, out: out}]", asked={}).evaluations[0].questions > 10**6


def test_the_plan_decides_whether_questions_use_the_cache(tmp_path):
    assert planned(tmp_path).questions_cached
    assert not planned(tmp_path, "stages.sft.train.vision_encoder=1e-4").questions_cached
    assert not planned(tmp_path, "encoder_cache.max_gib=1e-5").questions_cached


def test_loaded_tasks_are_counted(tmp_path):
    items = tuple(
        Item(number, "a", tmp_path / f"{number // 2}.jpg", "Which?", "Which? " * 8, "x", "y") for number in range(6)
    )
    task = Task("pope/random", "POPE", "general", 1, "yes_no", ("strict",), "strict", items=items)
    found = asked_of([task, task])
    assert (found.questions, found.images, found.files) == (12, 3, 2)
    assert (found.prompt_tokens, found.answer_tokens) == (14, published()["pope"].answer_tokens)


def test_a_gpu_is_assumed_where_a_recipe_asks_for_gpus(tmp_path):
    recipe = recipe_of(tmp_path, "devices.accelerator=gpu", "devices.precision=bf16")
    assert assumed_peak(recipe.devices) == Peak(312e12, 19.5e12, 2e12, 80 * 10**9)
    assert assumed_peak(recipe_of(tmp_path).devices) is None
    assert make_plan(recipe, FACTS, MODEL).stages[0].seconds is not None


# ---- host memory and disk

EIGHT = ("devices.count=8", "devices.per_device_batch_size=1", "devices.accelerator=gpu")


@pytest.mark.parametrize("offload", [None, "optimizer", "parameters"])
def test_what_is_offloaded_is_counted_once(offload):
    held = held_bytes(1000, 100, "bf16", "deepspeed_stage_3", 4)
    moved, left = offloaded_bytes(held, offload), on_device(held, offload)
    assert tuple(a + b for a, b in zip(moved, left, strict=True)) == held
    assert sum(moved) == {None: 0, "optimizer": held[2], "parameters": held[2] + held[0]}[offload]


def test_offloading_moves_bytes_from_the_device_to_its_host(tmp_path):
    sharded = ["devices.strategy=deepspeed_stage_3", "devices.count=2", "devices.accelerator=gpu"]
    plans = [planned(tmp_path, *sharded, *more) for more in ([], ["devices.offload=parameters"])]
    before, after = (plan.stage("sft") for plan in plans)
    assert after.memory_bytes < before.memory_bytes
    assert after.host.training > before.host.training


@pytest.mark.parametrize(("precision", "numbers"), [("bf16", 4), ("fp32", 3)])
def test_a_host_holds_states_and_gradients_of_what_it_steps(tmp_path, precision: str, numbers: int):
    """In bf16 an fp32 weight, two means and a gradient of each number; in fp32 the weight stays on the device."""
    keys = (f"devices.precision={precision}", "devices.strategy=deepspeed_stage_2", "devices.offload=optimizer")
    devices = recipe_of(tmp_path, *EIGHT, *keys).devices
    held = held_bytes(80_000, 80_000, precision, "deepspeed_stage_2", 8)
    host = host_plan(devices, 80_000, held, 0)
    assert host.training == 8 * PROGRAM + 4 * 80_000 + numbers * 4 * 80_000


def test_host_memory_of_eight_processes_is_one_file_each_not_a_model_each(tmp_path):
    eight_b = 8_000_000_000
    devices = recipe_of(tmp_path, *EIGHT, "devices.workers=2", "devices.strategy=ddp").devices
    host = host_plan(devices, eight_b, held_bytes(eight_b, 0, "bf16", "ddp", 8), 40 << 30)
    always = 8 * (PROGRAM + 2 * WORKER)
    assert host.loading == always + 8 * WEIGHTS_FILE
    assert (host.training, host.saving) == (always, always + WEIGHTS_FILE)
    assert host.most == host.loading
    assert host.most < 8 * 4 * eight_b / 2


def test_a_sharded_model_is_whole_in_one_process_only(tmp_path):
    devices = recipe_of(tmp_path, *EIGHT, "devices.strategy=fsdp").devices
    host = host_plan(devices, 1000, held_bytes(1000, 1000, "bf16", "fsdp", 8), 10)
    assert host.training == 8 * PROGRAM + 4000
    assert host.loading == host.saving == host.training + 4000, "and one weights file"


def test_on_cpus_the_devices_memory_is_the_hosts(tmp_path):
    devices = recipe_of(tmp_path, "devices.count=2", "devices.accelerator=cpu").devices
    host = host_plan(devices, 1000, held_bytes(1000, 1000, "fp32", "ddp", 2), 7 << 30)
    assert host.training == 2 * (CPU_PROGRAM + (7 << 30))


def test_disk_holds_checkpoints_three_resume_points_and_answers(tmp_path):
    plan = planned(tmp_path)
    total, learning = sum(PARTS.values()), PARTS["projector"] + PARTS["language_model"]
    assert plan.disk.checkpoints == 2 * total * 4
    assert plan.disk.resume == 3 * learning * 12, "of the largest stage"
    assert plan.disk.features == (900 + 450) * 16 * 32 * 4
    assert plan.disk.answers == 3 * 100 * ANSWER
    assert plan.disk.most == sum((plan.disk.checkpoints, plan.disk.resume, plan.disk.features, plan.disk.answers))
    assert planned(tmp_path, model=CUT).disk.features == 0
    served = planned(tmp_path, "evaluation.engine=vllm").disk
    assert (plan.disk.served, served.served) == (0, total * (4 + 4)), "the start is saved in fp32 and exported so"
    assert served.most == plan.disk.most + served.served


def test_the_plan_survives_its_file_with_all_of_it(tmp_path):
    from fgtrain.plan import read_plan, write_plan

    plan = plan_of(tmp_path, model=MODEL)
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
