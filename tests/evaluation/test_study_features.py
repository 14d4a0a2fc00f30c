"""A study answers by features: the number of each run, paired by picture, and what the projector changes."""

from dataclasses import replace

import numpy as np
import pytest

from data_builders.shared.errors import UserError
from data_builders.shared.files import write_json, write_jsonl
from evaluation.study import StudyRuns, answer_words, study_answer

NAME, CHANGE = "features/cub/probe/projector", "features/cub/probe/projector-encoder"
SEEDS = (17, 18, 19)
PICTURES = 60


def measured(folder, part, right, weights):
    """A features.json as `python -m evaluation features` leaves it, of the checkpoint align."""
    value = 100 * float(np.mean(right))
    score = {"rule": "default", "metric": "top-1", "value": value, "low": value - 9, "high": value + 9, "n": len(right)}
    task = {"task": "features/cub/probe", "title": "t", "primary": "default", "scores": [score]}
    place = folder / "features" / "align" / part
    write_json(place / "features.json", {"model": "m", "model_hash": weights, "tasks": {"features/cub/probe": task}})
    rows = ({"image": f"{number}.jpg", "label": "a", "value": float(one)} for number, one in enumerate(right))
    write_jsonl(place / "items" / "features__cub__probe.jsonl", rows)


@pytest.fixture
def runs(tmp_path):
    """The projector of `fine` gives ten pictures more than that of `coarse`; the frozen encoder is the same in all."""
    arms = {}
    for arm, count in (("coarse", 20), ("fine", 30)):
        for seed in SEEDS:
            folder = tmp_path / f"{arm}-{seed}"
            order = np.random.default_rng(seed).permutation(PICTURES)
            measured(folder, "encoder", np.arange(PICTURES) < 40, "encoder")
            measured(folder, "projector", order < count + seed - 17, f"{arm} {seed}")
            entry = {"name": "align", "stage": "align", "samples_seen": 9, "step": 1, "tasks": {}}
            write_json(folder / "scores.json", {"run": folder.name, "checkpoints": [entry]})
            arms.setdefault(arm, {})[seed] = folder
    return StudyRuns("alignment", "?", arms, (NAME, CHANGE, "features/cub/probe/encoder"), (("fine", "coarse"),))


def test_arms_differ_by_what_their_pictures_do(runs):
    answer = study_answer(runs)
    mean = answer.arm("fine").means[NAME]
    assert mean.per_seed == pytest.approx({seed: 100 * (30 + seed - 17) / PICTURES for seed in SEEDS})
    assert mean.low < mean.value < mean.high
    assert (mean.images, mean.seeds) == (PICTURES, 3)
    change = answer.arm("coarse").means[CHANGE]
    assert change.per_seed == pytest.approx({seed: 100 * (20 + seed - 17 - 40) / PICTURES for seed in SEEDS})
    assert change.low < change.value < change.high < 0
    assert answer.arm("coarse").means["features/cub/probe/encoder"].seeds == 1  # the same weights are no other seed
    first, _, _ = answer.contrasts
    assert (first.value, first.verdict) == (pytest.approx(100 / 6), "shown")
    assert answer_words(answer)[0].startswith("fine - coarse: +16.7 probe on cub, projector (")


def test_what_is_not_measured_or_on_other_pictures_is_no_number(runs):
    with pytest.raises(
        UserError, match=r"in none of these runs; they have features/cub/probe/encoder, features/cub/pro"
    ):
        study_answer(replace(runs, measures=("features/dogs/probe/encoder",)))
    with pytest.raises(UserError, match="write features/DATA SET/MEASURE/PART"):
        study_answer(replace(runs, measures=("features/cub/probe",)))
    measured(runs.arms["fine"][18], "projector", np.arange(PICTURES + 1) < 9, "other")
    answer = study_answer(replace(runs, measures=(NAME,)))
    assert answer.arm("fine").means[NAME] is None
    assert any(
        "fine, seed 18 was measured on other pictures than coarse, seed 18" in one for one in answer.not_measured
    )


def test_seeds_may_have_pictures_of_their_own(runs):
    whole = study_answer(replace(runs, measures=(NAME,))).arm("fine").means[NAME]
    for seeds in runs.arms.values():
        path = seeds[18] / "features" / "align" / "projector" / "items" / "features__cub__probe.jsonl"
        path.write_text(path.read_text().replace(".jpg", "-18.jpg"))
    answer = study_answer(replace(runs, measures=(NAME,)))
    mean = answer.arm("fine").means[NAME]
    assert (mean.value, mean.images, mean.seeds) == (whole.value, 2 * PICTURES, 3)
    assert answer.not_measured == []
    assert answer.contrasts[0].verdict == "shown"


def test_without_the_pictures_own_values_intervals_are_those_on_record(runs):
    for folder in runs.arms["fine"].values():
        (folder / "features" / "align" / "projector" / "items" / "features__cub__probe.jsonl").unlink()
    others = replace(runs, arms={"fine": runs.arms["fine"]}, contrasts=(), measures=(NAME,))
    answer = study_answer(others)
    mean = answer.arm("fine").means[NAME]
    assert mean.low < mean.value - 5
    assert any("do not lie on disk" in note for note in answer.notes)
