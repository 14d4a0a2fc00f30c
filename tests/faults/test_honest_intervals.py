"""Where all answers are alike an interval is as wide as so many pictures can tell: never 0.0 to 0.0."""

import numpy as np
import pytest
from run_folders import CHOICE, COUNT, DOCUMENT, SPECIES, make_run, rows_of
from table import rows

from evaluation.compare import compare_runs
from evaluation.ledger import ItemStore, group_mean
from evaluation.report.page import render
from evaluation.scoring.score_answers import score_answers
from evaluation.scoring.statistics import difference_interval, share_interval
from evaluation.study import StudyRuns, study_answer
from evaluation.tasks.task_files import task_without_items

ALL, NEVER, YES = [True] * 30, [False] * 30, ["yes"] * 30
BOUND = 100 * (1 - 0.025 ** (1 / 30))  # Clopper-Pearson's end for 0 of 30


@rows(
    ("none of 30", (0.0, 0.0, 0.0, 30), (0, BOUND)),
    ("all of 30", (1.0, 1.0, 1.0, 30), (100 - BOUND, 100)),
    ("half of every picture", (0.5, 0.5, 0.5, 30), (50 - BOUND / 2, 50 + BOUND / 2)),
    ("one picture", (0.5, 0.5, 0.5, 1), (0, 100)),
    ("what varies is left alone", (0.5, 0.4, 0.6, 30), (40, 60)),
)
def test_a_share(how, out):
    assert [100 * end for end in share_interval(*how)] == pytest.approx(out)


@rows(
    ("nothing moved", (0.0, 0.0, 0.0, 30), (-BOUND, BOUND)),
    ("everything moved", (1.0, 1.0, 1.0, 30), (100 - BOUND, 100)),
    ("one picture", (0.0, 0.0, 0.0, 1), (-100, 100)),
)
def test_a_difference(how, out):
    assert [100 * end for end in difference_interval(*how)] == pytest.approx(out)


@rows(
    ("all wrong", (COUNT, NEVER, None), (0, BOUND)),
    ("all right", (COUNT, ALL, None), (100 - BOUND, 100)),
    ("always yes to a yes and a no a picture", (SPECIES, YES, 15), (50 - 10.9, 50 + 10.9)),
)
def test_a_score(how, out):
    task, answers, images = how
    found = rows_of(task, answers)
    for row in found if images else ():
        row["image"] = f"{row['question_id'] // 2}.png"
    one = score_answers(task_without_items(task), found).main
    assert (one.low, one.high) == pytest.approx(out, abs=0.05)


@rows(
    ("nothing right before and after", {COUNT: (NEVER, NEVER)}, BOUND),
    ("all right before and after", {COUNT: (ALL, ALL)}, BOUND),
    ("two tasks, one all right, one all wrong", {COUNT: (ALL, ALL), DOCUMENT: (NEVER, NEVER)}, BOUND),
)
def test_a_change_of_nothing(tmp_path, how, out):
    (result,) = compare_runs([make_run(tmp_path / "run", how)]).runs
    for one in result.tasks.values():
        assert (one.from_base[0].low, one.from_base[0].high) == pytest.approx((-out, out))
    mean = result.changes["general"][0]
    assert mean.value == 0
    assert mean.high == -mean.low == pytest.approx(out / len(how) ** 0.5)
    for forgot in result.forgetting:
        if forgot is not None:
            assert forgot.value == forgot.low == 0
            assert forgot.high == pytest.approx(out)


def test_a_mean_of_tasks_that_are_alike_each_in_its_way(tmp_path):
    run = make_run(tmp_path / "run", {COUNT: (ALL, ALL), DOCUMENT: (NEVER, NEVER)})
    mean = group_mean(ItemStore(), run, run.last, "general")
    assert (mean.low, mean.high) == pytest.approx((50 - BOUND / 2**0.5, 50 + BOUND / 2**0.5))


@pytest.mark.parametrize("keep", [True, False])
def test_cards_and_tables_say_no_certainty(tmp_path, keep):
    run = make_run(tmp_path / "run", {CHOICE: (NEVER, NEVER), COUNT: (ALL, ALL)}, keep=keep)
    page = render(compare_runs([run]))
    for certain in ("0.0 to 0.0", "±0.0 to ±0.0", "0.0–0.0", "100.0–100.0", "nan"):
        assert certain not in page


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_a_study_says_no_certainty(tmp_path, seeds):
    arms = {arm: {} for arm in "ab"}
    for arm in arms:
        for seed in seeds:
            make_run(tmp_path / f"{arm}{seed}", {CHOICE: (NEVER, NEVER), COUNT: (ALL, ALL)})
            arms[arm][seed] = tmp_path / f"{arm}{seed}"
    answer = study_answer(StudyRuns("s", "", arms, contrasts=(("a", "b"),)))
    numbers = [mean for arm in answer.arms for mean in arm.means.values()] + answer.contrasts
    assert len(numbers) == 6
    for one in numbers:
        assert one.high - one.low > BOUND * 0.9
    assert np.isfinite([one.high for one in numbers]).all()
