"""Steps until a score is reached and kept: read from the curve of each run, over all stages; censored runs are told."""

import pytest
from study_run_fakes import FINE, GENERAL, make_run

from data_builders.shared.files import write_json, write_jsonl
from evaluation.study import StudyRuns, answer_words, study_answer
from evaluation.study.steps_to_score import first_kept

STEPS = {"align": 40, "sft": 60}
NAME = "steps until fine_grained reaches 50"


def run(folder, seed, curve, **more):
    """A run with `curve`: (stage, step in the stage) -> score of the fine-grained task on the subset."""
    make_run(folder, {FINE: (-2.0, 0.0, 1.0), GENERAL: (2.0, 1.0, 1.0)}, seed=seed, images=10)
    write_json(folder / "plan.json", {"stages": [{"name": name, "steps": steps} for name, steps in STEPS.items()]})
    rows = []
    for (stage, step), value in curve.items():
        seen = 10 * (step + (STEPS["align"] if stage == "sft" else 0))
        head = {"kind": "eval", "stage": stage, "step": step, "samples_seen": seen, "rule": "released", "n": 50}
        head |= {"metric": "accuracy", "unit": "percent", "primary": True, "subset": True}
        rows.append({**head, "task": FINE, "group": "fine_grained", "value": value})
        rows.append({**head, "task": GENERAL, "group": "general", "value": 90.0})
        rows.append({**head, "task": FINE, "group": "fine_grained", "value": 99.0, "primary": False, "rule": "strict"})
        rows.append({**head, "task": FINE, "group": "fine_grained", "value": 99.0, "subset": False})
    write_jsonl(folder / "metrics.jsonl", rows)
    return folder


def curve_of(*values, every=20):
    """At 0, 20, 40 (the end of alignment), 60, 80, 100 (the end of SFT) steps over both stages."""
    found = {}
    for place, value in enumerate(values):
        at = place * every
        found["align" if 0 < at <= 40 else "sft" if at else None, at - 40 if at > 40 else at] = value
    return found


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ((0, 10, 20, 55, 60, 70), 60),  # counted over both stages
        ((0, 60, 20, 55, 60, 70), 60),  # reached before, but not kept
        ((55, 60, 50, 55, 60, 70), 0),  # there from the start; 50 is reached
        ((0, 60, 60, 60, 60, 49), None),  # lost at the end
        ((0, 0, 0, 0, 0, 100), 100),
        ((), None),
    ],
)
def test_reached_is_where_no_later_score_is_below(values, steps):
    assert first_kept({20 * place: value for place, value in enumerate(values)}, 50.0) == steps


def test_arms_are_compared_by_seed_and_runs_that_never_reach_it_are_told(tmp_path):
    slow = {17: (0, 10, 20, 30, 60, 70), 18: (0, 10, 20, 30, 40, 70), 19: (0, 10, 20, 30, 60, 70)}
    fast = {17: (0, 60, 60, 60, 60, 60), 18: (0, 10, 60, 60, 60, 60), 19: (0, 60, 60, 60, 60, 60)}
    never = {17: (0, 10, 20, 60, 60, 60), 18: (0, 10, 20, 30, 40, 45), 19: (0, 10, 20, 30, 60, 40)}
    arms = {
        name: {seed: run(tmp_path / f"{name}_{seed}", seed, curve_of(*values)) for seed, values in seeds.items()}
        for name, seeds in {"slow": slow, "fast": fast, "never": never}.items()
    }
    answer = study_answer(StudyRuns("s", "?", arms, (NAME,), (("fast", "slow"), ("never", "slow"))))
    mean = answer.arm("slow").means[NAME]
    assert mean.per_seed == {17: 80.0, 18: 100.0, 19: 80.0}
    assert (mean.value, mean.covers, mean.seeds, mean.images) == (pytest.approx(260 / 3), "seeds only", 3, 0)
    assert mean.low < mean.value < mean.high
    assert answer.arm("never").means[NAME] is None, "a mean of the runs that reached it would be too low"
    first, second = answer.contrasts
    assert first.per_seed == {17: -60.0, 18: -60.0, 19: -60.0}
    assert first.value == -60.0
    assert (second.value, second.verdict) == (None, "not measured")
    told = f"{NAME}: never: not reached and kept in 100 steps by seeds 18, 19 (seed 17: at 60)"
    assert told in answer.not_measured
    assert any("asked every 20 steps or oftener" in note for note in answer.notes)
    assert answer_words(answer)[0].startswith("fast - slow: -60.0 steps until fine-grained reaches 50 (seeds only: ")
    assert [one.arm for one in answer.ranked()] == ["fast", "slow", "never"], "fewer steps are better"


def test_one_seed_has_no_interval_and_no_curve_is_told(tmp_path):
    arms = {
        "a": {17: run(tmp_path / "a", 17, curve_of(0, 60, 60, 60, 60, 60))},
        "b": {17: run(tmp_path / "b", 17, {})},
    }
    answer = study_answer(StudyRuns("s", "?", arms, (NAME,), (("a", "b"),)))
    assert any("b: nothing was asked while it trained" in text for text in answer.not_measured)
    hole = run(tmp_path / "hole", 17, {place: 60 for place in curve_of(0, 60, 60, 60, 60, 60) if place[0] != "sft"})
    (hole / "recipe.resolved.yaml").write_text("evaluation: {every_steps: 10}\n", encoding="utf-8")
    holed = study_answer(StudyRuns("s", "?", {**arms, "b": {17: hole}}, (NAME,)))
    assert any("b: nothing was asked" in text and "runs_root of its own" in text for text in holed.not_measured)
    arms["b"] = {17: run(tmp_path / "c", 17, curve_of(0, 10, 10, 60, 60, 60))}
    words = answer_words(study_answer(StudyRuns("s", "?", arms, (NAME,), (("a", "b"),))))
    assert words[0].endswith("steps until fine-grained reaches 50 (one seed, no interval), 1 seed: seeds are missing")
