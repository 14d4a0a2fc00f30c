"""A fingerprint changes with everything that decides a stage's result, and with nothing else."""

from dataclasses import replace

import pytest
from plan_fakes import BASE, FACTS, MODEL, plan_of

from fgtrain.plan import ModelFacts


def prints(plan) -> list[str]:
    return [stage.fingerprint for stage in plan.stages]


@pytest.mark.parametrize(
    "override",
    [
        "name=other",
        "runs_root=elsewhere",
        "built_root=elsewhere",
        "data_root=/elsewhere",
        "network=true",
        "devices.count=4",
        "devices.nodes=2",
        "devices.accelerator=gpu",
        "devices.strategy=ddp",
        "devices.layer_kernels=torch",
        "devices.per_device_batch_size=2",
        "devices.pack_tokens=4096",
        "devices.workers=3",
        "devices.bad_rows=5",
        "evaluation.tasks=[frow]",
        "evaluation.every_steps=10",
        "evaluation.at=[start]",
        "wandb.enabled=false",
        "stages.sft.keep={kl: 0}",
        "stages.sft.checkpoint_every_steps=7",
        "data.general.rows=1000",
        "data.unused={path: x}",
        "data.fine.root=/elsewhere",
        "prepare=[{what: drawn, out: world}]",
    ],
)
def test_where_and_how_it_runs_leaves_fingerprints_alone(tmp_path, override):
    assert prints(plan_of(tmp_path, override)) == prints(plan_of(tmp_path))


@pytest.mark.parametrize(
    "override",
    [
        "seed=18",
        "model.vision_encoder=parts/other",
        "model.projector=linear",
        "model.projector_width=7",
        "model.vision_layer=-2",
        "model.image_size=225",
        "model.image_tokens=4",
        "model.max_tiles=2",
        "model.max_tokens=511",
        "model.chat=chatml",
        "devices.precision=bf16",
        "devices.layer_kernels=compile",
        "stages.align.train.projector=1e-4",
        "stages.align.train.projector.lora={rank: 2}",
        "stages.align.train.vision_encoder=1e-3",
        "stages.align.mix.general=2",
        "stages.align.mix.extra=1",
        "stages.align.global_batch_size=128",
        "stages.align.steps=16",
        "stages.align.warmup_fraction=0.1",
        "stages.align.weight_decay=0.1",
        "stages.align.clip_norm=null",
        "stages.align.min_lr_fraction=0.1",
        "stages.align.loss_weighting=sample",
        "stages.align.augment=flip_crop",
        "stages.align.augment.general=flip_crop",
        "stages.align.augment_views=2",
        "stages.align.ema=0.9",
        "stages.align.ema={decay: 0.9, parts: [projector]}",
    ],
)
def test_what_decides_the_result_changes_every_later_fingerprint(tmp_path, override):
    before, after = prints(plan_of(tmp_path)), prints(plan_of(tmp_path, override))
    assert before[0] != after[0]
    assert before[1] != after[1], "what a stage starts from decides its result"


@pytest.mark.parametrize("choice", ["max_tiles=1", "max_pixels=1000000", "image_size=224", "chat=qa"])
def test_what_is_left_to_a_checkpoint_is_another_choice_than_a_default_written_out(tmp_path, choice):
    parts = ["vision_encoder", "projector", "language_model", "image_tokens"]
    released = ["model.checkpoint=llava", *(f"model.{part}=null" for part in parts)]
    assert prints(plan_of(tmp_path, *released))[0] != prints(plan_of(tmp_path, *released, f"model.{choice}"))[0]


def test_augmentation_is_read_by_what_it_does(tmp_path):
    """A data set that is named to stay as it is changes nothing; which one is augmented does."""
    plain, none = prints(plan_of(tmp_path)), prints(plan_of(tmp_path, "stages.sft.augment={fine: none}"))
    assert plain == none
    ways = ["{fine: flip_crop}", "{general: flip_crop}", "{fine: flip_crop, general: none}"]
    fine, general, again = (prints(plan_of(tmp_path, f"stages.sft.augment={way}"))[1] for way in ways)
    assert fine == again
    assert len({plain[1], fine, general}) == 3


def test_what_a_stage_is_held_near_to_is_read_by_what_it_means(tmp_path):
    def plan(*chosen: str):
        return plan_of(tmp_path, *(f"stages.sft.keep.{one}" for one in chosen))

    plain, kept = plan_of(tmp_path), plan("kl=0.1")
    assert prints(plan("kl=0.1", "to=align")) == prints(plan("kl=0.1", "on=[fine, general]")) == prints(kept)
    others = [plan("kl=0.2"), plan("kl=0.1", "to=start"), plan("kl=0.1", "on=[fine]")]
    assert len({one.stages[1].fingerprint for one in (plain, kept, *others)}) == 5
    assert {one.stages[0].fingerprint for one in (kept, *others)} == {plain.stages[0].fingerprint}
    # What learns is held twice, all of another checkpoint.
    more = [one.stages[1].memory_bytes - plain.stages[1].memory_bytes for one in (kept, others[1])]
    assert more[1] - more[0] == 4 * MODEL.parameters["vision_encoder"]
    assert kept.stages[1].flops > 1.2 * plain.stages[1].flops
    assert any("held near to align: 0.1 x KL on all rows" in note for note in kept.notes)


def test_a_later_stage_does_not_reach_back(tmp_path):
    before, after = prints(plan_of(tmp_path)), prints(plan_of(tmp_path, "stages.sft.weight_decay=0.1"))
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_data_counts_by_its_hash(tmp_path):
    changed = {**FACTS, "fine": replace(FACTS["fine"], sha256="e" * 64)}
    before, after = prints(plan_of(tmp_path)), prints(plan_of(tmp_path, facts=changed))
    assert before[0] == after[0], "align does not use it"
    assert before[1] != after[1]


def test_a_data_set_counts_by_its_name(tmp_path):
    """Draws are addressed by it, so another name gives another order."""
    renamed = BASE.replace("general:", "broad:")
    facts = {**FACTS, "broad": FACTS["general"]}
    assert prints(plan_of(tmp_path, text=renamed, facts=facts))[0] != prints(plan_of(tmp_path))[0]


def test_a_stage_counts_by_its_name(tmp_path):
    renamed = BASE.replace("align:", "warm:")
    assert prints(plan_of(tmp_path, text=renamed))[0] != prints(plan_of(tmp_path))[0]


def test_weights_count_by_their_hash(tmp_path):
    other = replace(MODEL, weights_sha={**MODEL.weights_sha, "language_model": "f" * 64})
    assert prints(plan_of(tmp_path, model=other))[0] != prints(plan_of(tmp_path))[0]


def test_the_order_in_which_a_mix_is_written_does_not_count(tmp_path):
    turned = BASE.replace("mix: {general: 1, fine: 2}", "mix: {fine: 2, general: 1}")
    assert prints(plan_of(tmp_path, text=turned)) == prints(plan_of(tmp_path))


def test_a_switched_off_stage_does_not_exist(tmp_path):
    without = plan_of(tmp_path, "stages.align=null")
    off = plan_of(tmp_path, "stages.align.enabled=false")
    assert prints(off) == prints(without)
    assert prints(off)[0] != prints(plan_of(tmp_path))[1]


def test_written_and_default_values_are_the_same(tmp_path):
    written = ["stages.align.clip_norm=1.0", "stages.align.mix.general=1.0", "stages.align.objective=answers"]
    assert prints(plan_of(tmp_path, *written)) == prints(plan_of(tmp_path))


def test_steps_that_the_passes_give_anyway_are_the_same_work(tmp_path):
    facts = {**FACTS, "general": replace(FACTS["general"], rows=1024)}
    plain = prints(plan_of(tmp_path, facts=facts))
    assert prints(plan_of(tmp_path, "stages.align.steps=16", facts=facts)) == plain
    assert prints(plan_of(tmp_path, "stages.align.steps=15", facts=facts))[0] != plain[0]


SFT_MERGED = "stages.wise={merge: {align: 0.25}}"


def test_equal_averages_are_the_same_work_whatever_they_are_called(tmp_path):
    """And another average of the same checkpoints is other work, which trains nothing again."""
    first = prints(plan_of(tmp_path, SFT_MERGED))
    assert first[:2] == prints(plan_of(tmp_path))
    other_way = "stages.soup={after: align, merge: {sft: {projector: 0.75, language_model: 0.75}}}"
    assert prints(plan_of(tmp_path, other_way)) == first  # nothing has changed the encoder
    for other in ("{merge: {align: 0.5}}", "{merge: {start: 0.25}}", "{merge: {align: {projector: 0.25}}}"):
        found = prints(plan_of(tmp_path, f"stages.wise={other}"))
        assert (found[:2], found[2] == first[2]) == (first[:2], False)
    assert prints(plan_of(tmp_path, SFT_MERGED, "seed=18"))[2] != first[2]


def test_a_share_of_a_sweep_is_the_same_work_as_the_share_alone(tmp_path):
    swept = plan_of(tmp_path, "stages.wise={merge: {align: [0.5, 0.25]}}")
    assert [stage.name for stage in swept.stages] == ["align", "sft", "wise@0.5", "wise@0.25"]
    assert swept.evaluated[-2:] == ("wise@0.5", "wise@0.25")
    for number, share in ((2, 0.5), (3, 0.25)):
        alone = prints(plan_of(tmp_path, f"stages.other={{merge: {{align: {share}}}}}"))
        assert prints(swept)[number] == alone[2]


def test_a_stage_after_an_earlier_one_is_as_if_those_between_were_not_there(tmp_path):
    again = "{train: {projector: 1.0e-3}, mix: {extra: 1}, global_batch_size: 32, after: %s}"
    between = prints(plan_of(tmp_path, f"stages.again={again % 'align'}"))
    assert between[:2] == prints(plan_of(tmp_path))
    alone = prints(plan_of(tmp_path, "stages.sft=null", f"stages.again={again % 'null'}"))
    assert (alone[0], alone[1]) == (between[0], between[2])
    assert prints(plan_of(tmp_path, f"stages.again={again % 'null'}"))[2] != between[2]


def test_a_merge_costs_a_checkpoint_and_no_step(tmp_path):
    plan, plain = plan_of(tmp_path, SFT_MERGED), plan_of(tmp_path)
    assert (plan.steps, plan.tokens, plan.updates, plan.exposures, plan.device_hours.training) == (
        plain.steps, plain.tokens, plain.updates, plain.exposures, plain.device_hours.training
    )  # fmt: skip
    assert plan.disk.checkpoints * 2 == plain.disk.checkpoints * 3
    assert plan.stages[2].parts[0].shares == {"sft": 1.0}  # frozen all along
    assert plan.stages[2].parts[2].shares == {"sft": 0.75, "align": 0.25}


def test_a_fingerprint_without_data_or_weights_says_so(tmp_path):
    plan = plan_of(tmp_path, facts={"general": FACTS["general"]})
    assert [stage.provisional for stage in plan.stages] == [False, True]
    assert all(stage.provisional for stage in plan_of(tmp_path, model=ModelFacts()).stages)
    assert prints(plan_of(tmp_path, facts={}))[0] != prints(plan_of(tmp_path))[0]


def test_fingerprints_are_the_same_on_every_machine(tmp_path):
    """Pinned: when this changes, every stored checkpoint is trained again."""
    assert prints(plan_of(tmp_path)) == ["c6a1710c5b8cf1cf", "670afb78d7d6e600"]
