"""Seen, unseen and their harmonic mean as measures of a study: the same numbers as in scores.json, over the same
questions."""

from pathlib import Path

import numpy as np
import pytest
from study_run_fakes import FINE, make_arms, mean_right

from data_builders.shared.files import read_json, read_jsonl, write_json
from evaluation.held_out import Sides, write_sides
from evaluation.scoring.score_answers import score_answers
from evaluation.study import StudyRuns, study_answer
from evaluation.tasks.task_files import task_without_items

IMAGES = 40
UNSEEN = frozenset(f"{number:04d}.jpg" for number in range(0, IMAGES, 4))
SIDES = Sides(frozenset(f"{number:04d}.jpg" for number in range(IMAGES)) - UNSEEN, UNSEEN, "a list")


def split(folder: Path, sides: Sides) -> None:
    """Score the run's fine-grained task for seen and unseen categories."""
    scores = read_json(folder / "scores.json")
    for checkpoint in scores["checkpoints"]:
        rows = read_jsonl(folder / "answers" / checkpoint["name"] / f"{FINE.replace('/', '__')}.jsonl")
        made = score_answers(task_without_items(FINE), rows, sides=sides).to_json()
        checkpoint["tasks"][FINE] = {**made, "image_root": "images"}
    write_json(folder / "scores.json", scores)
    write_sides(folder, {FINE: sides})


@pytest.fixture
def arms(tmp_path):
    made = make_arms(tmp_path, {"whole": (1.0, 1.0), "lora": (0.5, 1.5)}, images=IMAGES)
    for seeds in made.values():
        for folder in seeds.values():
            split(folder, SIDES)
    return made


def answer_of(arms, *measures):
    return study_answer(StudyRuns("s", "Which?", arms, measures, (("whole", "lora"),)))


def test_each_part_is_a_measure_over_its_questions(arms):
    measures = ("fine_grained", "seen", "unseen", "harmonic", f"{FINE}:unseen")
    found = answer_of(arms, *measures)
    facts = {one.name: (one.questions, one.images) for one in found.measures}
    assert facts == dict(zip(measures, [(IMAGES, IMAGES), (30, 30), (10, 10), (IMAGES, IMAGES), (10, 10)], strict=True))
    for arm, seeds in arms.items():
        means = found.arm(arm).means
        for seed, folder in seeds.items():
            right = 100 * mean_right(folder, "align", FINE)
            unseen, seen = right[::4].mean(), np.delete(right, np.s_[::4]).mean()
            assert means["unseen"].per_seed[seed] == means[f"{FINE}:unseen"].per_seed[seed] == pytest.approx(unseen)
            assert means["seen"].per_seed[seed] == pytest.approx(seen)
            assert means["harmonic"].per_seed[seed] == pytest.approx(2 * seen * unseen / (seen + unseen))
        assert means["unseen"].high - means["unseen"].low > means["seen"].high - means["seen"].low
    assert not found.not_measured
    assert not any("do not lie on disk" in note for note in found.notes)


def test_runs_that_hold_out_others_are_not_compared(arms):
    split(arms["lora"][17], Sides(SIDES.unseen, SIDES.seen, "another list"))
    found = answer_of(arms, "unseen")
    assert any("lora, seed 17 has other categories held out than whole, seed 17" in one for one in found.not_measured)


def test_a_run_that_holds_out_nothing_is_not_measured(arms):
    for folder in arms["lora"].values():
        (folder / "held_out.json").unlink()
    found = answer_of(arms, "unseen")
    assert found.arm("lora").means["unseen"] is None
    assert any(one.startswith("unseen is not measured in lora: nothing is held out") for one in found.not_measured)
    assert found.arm("whole").means["unseen"].seeds == 3
