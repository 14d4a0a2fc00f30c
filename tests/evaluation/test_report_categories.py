"""Category by category: exact intervals over images, names from the questions themselves, on a run's and a study's
page."""

import json

import numpy as np
import pytest
from report_fakes import SPECIES
from report_fakes import make_run as make_whole_run
from scipy.stats import binomtest
from study_run_fakes import FINE, make_arms

from evaluation.compare import compare_runs
from evaluation.ledger import load_run
from evaluation.ledger.categories import told
from evaluation.report import categories
from evaluation.report.page import runs_page
from evaluation.report.study_page import study_page
from evaluation.scoring.statistics import clopper_pearson
from evaluation.study import StudyRuns, study_answer


def test_intervals_are_the_exact_binomial_ones():
    counts = [(0, 1), (1, 1), (0, 9), (4, 9), (9, 9), (37, 50)]
    low, high = clopper_pearson(np.asarray([k / n for k, n in counts]), np.asarray([n for _, n in counts]))
    for number, (k, n) in enumerate(counts):
        exact = binomtest(k, n).proportion_ci(method="exact")
        assert (low[number], high[number]) == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([("generic", "wren"), ("generic", ["jay", "a jay"])], ["wren", "jay"]),
        ([("wren", "yes"), ("jay", "no")], ["wren", "jay"]),
        ([("generic", "yes"), ("generic", "no")], None),
        ([("wren", "wren"), ("wren", "wren")], None),
    ],
)
def test_the_questions_tell_their_category(rows, names):
    found = told(rows)
    assert (found if found is None else found.tolist()) == names


def by_hand(folder, checkpoint, task, category):
    """Mean over a category's images of the share that is right."""
    lines = (folder / "answers" / checkpoint / f"{task.replace('/', '__')}.jsonl").read_text().splitlines()
    images: dict[str, list[float]] = {}
    for row in map(json.loads, lines):
        if row["category"] == category:
            images.setdefault(row["image"], []).append(row["answer"] == row["gold"])
    return 100 * float(np.mean([np.mean(one) for one in images.values()])), len(images)


def test_a_run_shows_its_finest_open_task_with_every_name_and_interval(tmp_path):
    folder = make_whole_run(tmp_path, "then_fg")
    page = runs_page(compare_runs([load_run(folder)]))
    html, shown = page.html(), page.shown
    first, *_ = shown["categories"]
    assert first["task"] == "fgbmk/cub/species/short_answer"
    assert {name for name, _ in first["rows"]} == set(SPECIES)
    assert [label for _, label in first["columns"]] == ["then_fg, start", "then_fg, fg"]
    for name, cells in first["rows"]:
        for checkpoint, cell in zip(("start", "fg"), cells, strict=True):
            value, images = by_hand(folder, checkpoint, first["task"], name)
            assert (cell.value, cell.images) == pytest.approx((value, images))
            assert cell.low <= cell.value <= cell.high
    drawn = [panel["wide"] for panel in first["panels"]]
    assert [name for one in drawn for _, name in one.y_ticks] == [name for name, _ in first["rows"]]
    assert sum(len(point["bars"]) for one in drawn for point in one.points) == len(SPECIES)  # where it ended
    assert sum(one.width for one in drawn) >= 1200  # as wide as the page
    assert html.count("Category by category") == 1


def test_a_study_shows_each_arm_over_its_seeds_and_says_what_is_left_out(tmp_path, monkeypatch):
    arms = make_arms(tmp_path, {"none": (-2.0, 1.8), "late": (1.2, -0.1)}, seeds=(17, 18), images=24)
    for folder in (one for seeds in arms.values() for one in seeds.values()):
        for path in folder.glob(f"answers/*/{FINE.replace('/', '__')}.jsonl"):
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            for row in rows:
                right, other = f"bird {row['question_id'] % 6}", f"bird {row['question_id'] % 6 + 1}"
                row |= {"answer": right if row["answer"] == row["gold"] else other, "gold": right, "category": right}
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    runs = StudyRuns("placement", "Where?", arms, contrasts=(("late", "none"),))
    answer = study_answer(runs)
    monkeypatch.setattr(categories, "MOST", 4)
    page = study_page(runs, answer, tmp_path / "report.html")
    html, shown = page.html(), page.shown
    (one,) = shown["study"]["categories"]
    assert one["columns"] == [(0, "none"), (1, "late")]
    for name, cells in one["rows"]:
        for arm, cell in zip(("none", "late"), cells, strict=True):
            seeds = [by_hand(folder, "align", FINE, name)[0] for folder in arms[arm].values()]
            assert cell.each == pytest.approx(seeds)
            assert cell.value == pytest.approx(np.mean(seeds))
            assert cell.images == 4
    assert (one["names"], one["left_out"]) == (6, 2)
    assert "2 between them are in the table" in html
