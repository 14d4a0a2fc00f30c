"""What a reward stage draws, reads and holds stands in its plan."""

import pytest
from plan_fakes import SHAPE, plan_of

from fgtrain.plan.cost import training_work

GRPO = "stages.sft.objective=grpo"
KEYS = ("group=4", "max_new_tokens=5", "kl=0.1")


def given(*keys: str) -> list[str]:
    return [GRPO, "stages.sft.mix.general=null", *(f"stages.sft.grpo.{key}" for key in keys)]


def test_answers_are_learnt_from_and_read_at_most_so_often(tmp_path):
    """Two passes over 450 rows of one question: prefixes once, texts and answers of full length four times."""
    plain = plan_of(tmp_path, "stages.sft.mix.general=null").stage("sft")
    with_kl, alone, twice = (
        plan_of(tmp_path, *given(*KEYS[:2], *more)).stage("sft")
        for more in (["kl=0.1"], ["kl=0"], ["kl=0.1", "updates_per_rollout=2"])
    )
    assert with_kl.steps == plain.steps
    assert with_kl.fingerprint != plain.fingerprint
    tokens, image, labels = 2 * 9_000, 2 * 450 * 16, 2 * 450 * 4 * 5
    read = image + 4 * (tokens - image) + labels
    prefixes = 900 * 16 * 17 // 2  # pairs of image tokens; of the others each is there four times
    pairs = prefixes + 4 * (2 * 20 * 9_000 - prefixes) + labels * (16 + 4 + 5)
    forward = training_work(SHAPE, {}, encoder_runs=False)
    learnt, once = (work.flops(read, pairs, labels, image) for work in (with_kl.work, forward))
    assert with_kl.flops == pytest.approx(learnt + 2 * once)
    assert alone.flops == pytest.approx(learnt + once) == pytest.approx(twice.flops)
    assert plain.flops < alone.flops < with_kl.flops
    assert with_kl.memory_bytes > alone.memory_bytes > plain.memory_bytes


def test_the_note_says_what_is_drawn_and_a_default_is_a_default(tmp_path):
    plan = plan_of(tmp_path, *given(*KEYS))
    (note,) = [note for note in plan.notes if "draws" in note]
    assert note.startswith("Stage sft draws 4 answers to each question, 3,600 in all of at most 5 tokens")
    said, unsaid = given("group=8"), given()
    assert plan_of(tmp_path, *said).stage("sft").fingerprint == plan_of(tmp_path, *unsaid).stage("sft").fingerprint


def test_a_teacher_reads_what_it_is_shown_beside_and_its_texts_are_part_of_the_stage(tmp_path):
    """The words of its prompt, the row's answer (2 labels a question) or texts of 20 tokens, before every answer."""

    def taught(*keys: str) -> tuple:
        given = (
            "stages.sft.objective=self_distillation",
            "stages.sft.mix.general=null",
            "stages.sft.train.projector=null",
        )
        plan = plan_of(
            tmp_path, *given, *(f"stages.sft.self_distillation.{key}" for key in ("max_new_tokens=5", *keys))
        )
        return plan, plan.stage("sft")

    (_, bare), (_, shown), (_, more) = (
        taught('prompt=["{answer}"]'),
        taught(),
        taught('prompt=["{context}"]', "context=extra"),
    )
    assert bare.flops < shown.flops
    assert bare.flops < more.flops
    assert len({one.fingerprint for one in (bare, shown, more)}) == 3
    assert taught("ema=0.02")[1].fingerprint != shown.fingerprint == taught("ema=0", "group=1")[1].fingerprint
    again = plan_of(tmp_path, "stages.sft.mix.general=null", "stages.sft.train.projector=null").stage("sft")
    assert again.flops < bare.flops
    (note,) = [note for note in taught('prompt=["{context}"]', "context=extra")[0].notes if "draws" in note]
    assert note.startswith("Stage sft draws 1 answer to each question, 900 in all of at most 5 tokens")
    assert "with a row of extra before each" in note
