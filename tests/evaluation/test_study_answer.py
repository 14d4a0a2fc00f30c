"""The answer of a study from its run folders: pairing, verdicts, what was not measured, and what it says."""

import json
import re
import shutil

import numpy as np
import pytest
from study_run_fakes import FINE, GENERAL, make_arms, make_run, mean_right

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, write_json
from evaluation.scoring.statistics import holm
from evaluation.study import StudyRuns, answer_words, contrast_words, study_answer
from evaluation.study.answering import with_verdict
from evaluation.study.summary import summary

SEEDS = (17, 18, 19)
ARMS = {"none": (-2.0, 1.8), "early": (1.4, 0.0), "late": (1.2, -0.1), "alone": (1.2, -4.0)}
CONTRASTS = (("early", "late"), ("early", "none"), ("alone", "none"))


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    return make_arms(tmp_path_factory.mktemp("runs"), ARMS, SEEDS, seed_spread=0.1)


@pytest.fixture(scope="module")
def answer(arms):
    runs = StudyRuns("placement", "Where?", arms, ("fine_grained", "forgetting"), CONTRASTS, costs={"early": 1.5})
    return study_answer(runs)


def one_contrast(answer, first, second, measure="fine_grained"):
    return next(one for one in answer.contrasts if (one.first, one.second, one.measure) == (first, second, measure))


def test_an_arms_mean_is_that_of_its_seeds_answers(arms, answer):
    mean = answer.arm("early").means["fine_grained"]
    own = {seed: 100 * mean_right(folder, "align", FINE).mean() for seed, folder in arms["early"].items()}
    assert mean.per_seed == pytest.approx(own)
    assert mean.value == pytest.approx(np.mean(list(own.values())))
    assert mean.low < mean.value < mean.high
    assert (mean.seeds, mean.images, mean.questions, mean.covers) == (3, 80, 80, "seeds and images")


def test_forgetting_is_best_so_far_minus_now(arms, answer):
    for arm, seeds in arms.items():
        for seed, folder in seeds.items():
            then, now = (100 * mean_right(folder, name, GENERAL).mean() for name in ("start", "align"))
            assert answer.arm(arm).means["forgetting"].per_seed[seed] == pytest.approx(max(then - now, 0.0))


def test_a_contrast_is_paired_by_seed_and_by_image(arms, answer):
    one = one_contrast(answer, "early", "late")
    differences = np.stack(
        [
            100 * (mean_right(arms["early"][s], "align", FINE) - mean_right(arms["late"][s], "align", FINE))
            for s in SEEDS
        ]
    )
    assert list(one.per_seed.values()) == pytest.approx(differences.mean(1).tolist())
    assert one.value == pytest.approx(differences.mean())
    means = [answer.arm(arm).means["fine_grained"] for arm in ("early", "late")]
    apart = sum(((mean.high - mean.low) / 2) ** 2 for mean in means) ** 0.5
    assert (one.high - one.low) / 2 < apart  # what is hard for one arm is hard for the other
    single = {arm: {17: arms[arm][17]} for arm in ("early", "late")}
    found = study_answer(StudyRuns(None, "", single, ("fine_grained",), CONTRASTS[:1]))
    one, (a, b) = found.contrasts[0], (found.arm(arm).means["fine_grained"] for arm in ("early", "late"))
    assert one.high - one.low < 0.95 * ((a.high - a.low) ** 2 + (b.high - b.low) ** 2) ** 0.5


def test_images_are_paired_whatever_each_run_calls_their_folder(tmp_path, arms):
    moved = {arm: dict(seeds) for arm, seeds in arms.items()}
    for seed, folder in arms["late"].items():
        copy = shutil.copytree(folder, tmp_path / folder.name)
        scores = read_json(copy / "scores.json")
        for checkpoint in scores["checkpoints"]:
            for score in checkpoint["tasks"].values():
                score["image_root"] = "/elsewhere"
        write_json(copy / "scores.json", scores)
        moved["late"][seed] = copy
    found = [study_answer(StudyRuns(None, "", one, ("fine_grained",), CONTRASTS[:1])) for one in (arms, moved)]
    assert found[0].contrasts == found[1].contrasts


def test_what_is_large_and_agrees_over_seeds_is_shown_and_what_is_small_is_not(answer):
    assert one_contrast(answer, "early", "none").verdict == "shown"
    assert one_contrast(answer, "alone", "none", "forgetting").verdict == "shown"
    small = one_contrast(answer, "early", "late")
    assert small.verdict == "not shown"
    assert small.low < 0 < small.high


def test_holm_is_over_all_contrasts_and_measures(answer):
    assert len(answer.contrasts) == 6
    assert [one.p_holm for one in answer.contrasts] == pytest.approx(holm([one.p for one in answer.contrasts]))


def test_what_only_holm_takes_away_says_so(arms):
    pairs = (("early", "none"),)
    alone = study_answer(StudyRuns(None, "", arms, ("fine_grained",), pairs)).contrasts[0]
    assert alone.verdict == "shown"
    of_many = with_verdict(type(alone)(**{**vars(alone), "p_holm": 0.08}), 40)
    assert contrast_words(of_many).endswith("3 seeds: not shown (after Holm over 40 tests p is 0.08)")
    otherwise = with_verdict(type(alone)(**{**vars(alone), "per_seed": {17: 50.0, 18: -1.0, 19: 60.0}}), 40)
    assert otherwise.why == "the seeds do not agree"
    two = with_verdict(type(alone)(**{**vars(alone), "seeds": 2}), 40)
    assert (two.verdict, two.why) == ("not shown", "2 seeds are too few, 3 are asked for")


def test_the_words_of_a_contrast(answer):
    words = answer_words(answer)
    number = r"-?\d+\.\d"
    assert re.fullmatch(
        rf"early - late: [+-]{number} fine-grained \({number} to {number}\), 3 seeds: not shown", words[0]
    )
    assert re.fullmatch(rf"early - none: \+{number} fine-grained \({number} to {number}\), 3 seeds: shown", words[2])
    assert "No other arm gains as much and forgets as little: " in words[6]


def test_with_one_seed_the_answer_says_that_seeds_are_missing(arms):
    single = {arm: {17: seeds[17]} for arm, seeds in arms.items()}
    found = study_answer(StudyRuns(None, "", single, ("fine_grained",), (("early", "none"),)))
    number = r"-?\d+\.\d"
    assert re.fullmatch(
        rf"early - none: \+{number} fine-grained \(images only: {number} to {number}\), 1 seed: seeds are missing",
        answer_words(found)[0],
    )
    assert (found.contrasts[0].p, found.contrasts[0].p_holm) == (None, None)


def test_seeds_that_one_arm_lacks_are_left_out_of_the_contrast(arms):
    some = {**arms, "late": {18: arms["late"][18], 19: arms["late"][19]}}
    found = study_answer(StudyRuns(None, "", some, ("fine_grained",), CONTRASTS[:1]))
    assert list(found.contrasts[0].per_seed) == [18, 19]
    none = {"early": {17: arms["early"][17]}, "late": {18: arms["late"][18]}}
    found = study_answer(StudyRuns(None, "", none, ("fine_grained",), CONTRASTS[:1]))
    assert contrast_words(found.contrasts[0]) == (
        "early - late: fine-grained cannot be compared: they have no seed in common"
    )


def test_equal_weights_are_one_seed(tmp_path):
    arms = make_arms(tmp_path, {"a": (1.0, 1.0), "b": (-1.0, 1.0)}, SEEDS)
    for seeds in arms.values():
        for seed in (18, 19):
            shutil.rmtree(seeds[seed])
            shutil.copytree(seeds[17], seeds[seed])
    found = study_answer(StudyRuns(None, "", arms, ("fine_grained",), (("a", "b"),)))
    assert (found.contrasts[0].seeds, found.contrasts[0].verdict) == (1, "seeds are missing")
    said = " ".join(one.text for one in summary(found))
    assert re.search(r"Of one seed, a - b: fine-grained [+-][\d.]+\. Whether another seed", said)
    assert "Not shown to differ" not in said
    assert "a: 3 seeds have 1 different weights; equal weights count as one seed" in found.notes


def test_runs_without_general_tasks_have_no_forgetting_and_it_is_not_zero(tmp_path, arms):
    bare = {s: make_run(tmp_path / f"bare_{s}", {FINE: (-2.0, 1.0)}, seed=s) for s in SEEDS}
    runs = StudyRuns(None, "", {**arms, "bare": bare}, ("fine_grained", "forgetting"), (("bare", "late"),))
    found = study_answer(runs)
    assert found.arm("bare").means["forgetting"] is None
    assert found.arm("bare").means["fine_grained"] is not None
    assert one_contrast(found, "bare", "late", "forgetting").verdict == "not measured"
    assert "bare - late: forgetting cannot be compared: not measured in bare" in answer_words(found)
    assert any(one.startswith("forgetting is not measured in bare: no general task") for one in found.not_measured)
    assert "bare" not in [one.arm for one in found.pareto]


def test_a_run_that_was_measured_at_its_end_alone_has_no_forgetting(tmp_path):
    one = make_run(tmp_path / "one", {FINE: (1.0,), GENERAL: (1.0,)}, seed=17)
    found = study_answer(StudyRuns(None, "", {"one": {17: one}}, ("general", "forgetting")))
    assert found.arms[0].means["forgetting"] is None
    assert found.arms[0].means["general"] is not None


def test_a_task_that_a_run_lacks_or_was_asked_otherwise_is_left_out_and_named(tmp_path, arms):
    other = make_run(tmp_path / "other", {FINE: (-2.0, 1.0), GENERAL: (2.0, 1.0)}, seed=17, first=5)
    found = study_answer(StudyRuns(None, "", {**arms, "other": {17: other}}, ("fine_grained",)))
    assert found.measures[0].tasks == []
    assert all(one.means["fine_grained"] is None for one in found.arms)
    assert f"{FINE}: not in fine_grained, as other, seed 17 was asked other questions than none, seed 17" in (
        found.not_measured
    )
    scores = read_json(other / "scores.json")
    alike = make_run(tmp_path / "alike", {FINE: (-2.0, 1.0), GENERAL: (2.0, 1.0)}, seed=17)
    reworded = read_json(alike / "scores.json")
    reworded["checkpoints"][-1]["questions"][FINE] = scores["checkpoints"][-1]["questions"][FINE]
    write_json(alike / "scores.json", reworded)
    found = study_answer(StudyRuns(None, "", {**arms, "alike": {17: alike}}, ("fine_grained", "general")))
    assert [one.tasks for one in found.measures] == [[], [GENERAL]]
    more = "fgbmk/cub/genus/choice"
    richer = make_run(tmp_path / "richer", {FINE: (-2.0, 1.0), more: (0.0, 1.0)}, seed=17)
    found = study_answer(StudyRuns(None, "", {**arms, "richer": {17: richer}}, ("fine_grained",)))
    assert found.measures[0].tasks == [FINE]
    assert any(one.startswith(f"{more}: not in fine_grained, as it is not measured in") for one in found.not_measured)


def test_a_single_task_is_a_measure_too(answer, arms):
    found = study_answer(StudyRuns(None, "", arms, (FINE,), CONTRASTS[:1]))
    assert found.contrasts[0].value == one_contrast(answer, "early", "late").value


def test_without_answers_on_disk_the_interval_is_wider_and_the_note_says_why(tmp_path, arms, answer):
    bare = {arm: {s: shutil.copytree(f, tmp_path / f.name) for s, f in arms[arm].items()} for arm in ("early", "late")}
    for seeds in bare.values():
        for folder in seeds.values():
            shutil.rmtree(folder / "answers")
    found = study_answer(StudyRuns(None, "", bare, ("fine_grained",), CONTRASTS[:1]))
    known, one = one_contrast(answer, "early", "late"), found.contrasts[0]
    assert one.value == pytest.approx(known.value)
    assert one.high - one.low > known.high - known.low
    assert f"answers of {FINE} do not lie on disk" in found.notes[0]


def test_the_pareto_set_and_whose_place_is_within_noise(answer):
    places = {one.arm: one for one in answer.pareto}
    assert set(places) == set(ARMS)
    assert places["early"].on_front
    assert places["none"].on_front
    assert not places["none"].within_noise
    assert not places["alone"].on_front
    assert not places["alone"].within_noise  # clearly more forgotten
    late = places["late"]
    assert late.within_noise  # whichever side of early the draw put it


def test_the_mistakes_of_a_caller_are_named(arms, tmp_path):
    def message(runs):
        with pytest.raises(UserError) as error:
            study_answer(runs)
        return str(error.value)

    assert message(StudyRuns(None, "", arms, ("fine_grained",), (("early", "lat"),))) == (
        "contrast 'early - lat': no arm 'lat'; arms: none, early, late, alone"
    )
    assert "compares an arm with itself" in message(StudyRuns(None, "", arms, contrasts=(("late", "late"),)))
    assert "'recall' is no task of these runs" in message(StudyRuns(None, "", arms, ("recall",)))
    assert "costs of 'x'" in message(StudyRuns(None, "", arms, costs={"x": 1.0}))
    twice = {"a": {17: arms["early"][17]}, "b": {17: arms["early"][17]}}
    assert "every run stands for one seed" in message(StudyRuns(None, "", twice))
    assert "A run leaves its scores there" in message(StudyRuns(None, "", {"a": {1: tmp_path / "none"}}))
    assert "name at least one run folder an arm" in message(StudyRuns(None, "", {"a": {}}))


def test_an_arm_without_runs_is_not_measured(arms):
    found = study_answer(StudyRuns(None, "", {**arms, "later": {}}, ("fine_grained",), (("later", "late"),)))
    assert "later: no run of it" in found.not_measured
    assert found.contrasts[0].verdict == "not measured"
    assert [one.arm for one in found.ranked()][-1] == "later"


def test_answers_of_another_order_give_the_same_answer(tmp_path, arms, answer):
    copies = {arm: {s: shutil.copytree(f, tmp_path / f.name) for s, f in seeds.items()} for arm, seeds in arms.items()}
    for path in tmp_path.glob("early_18/answers/*/*.jsonl"):
        lines = path.read_text().splitlines()
        path.write_text("\n".join(reversed(lines)) + "\n")
        assert json.loads(lines[0])["question_id"] == 0
    runs = StudyRuns("placement", "Where?", copies, ("fine_grained", "forgetting"), CONTRASTS)
    assert study_answer(runs).contrasts == answer.contrasts
