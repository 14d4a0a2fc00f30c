"""A study's page at every size: colours that tell arms apart, names that lie on no other, costs, and curves."""

import base64
import hashlib
import re
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from study_answer_fakes import made_answer
from study_run_fakes import make_arms

from data_builders.shared.files import write_jsonl
from evaluation.ledger import load_run
from evaluation.report import study_figures
from evaluation.report.labels import LETTER, LINE, Box, Name, around, at_the_end
from evaluation.report.page import TEMPLATES
from evaluation.report.strong import series_css, strong_arms
from evaluation.report.study_page import answer_page
from evaluation.study import StudyRuns, from_json, study_answer, to_json
from evaluation.study.costs import stage_seconds
from evaluation.study.summary import summary

ALONE = {"side_by_side": False, "beside": None, "beside_seed": None}

# Linear RGB as it is seen without one kind of cone (Machado et al. 2009, severity 1).
SEEN = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
)


def linear(colour):
    value = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    to_cones = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566]]
    to_cones += [[0.0883024619, 0.2817188376, 0.6299787005]]
    to_lab = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099]]
    to_lab += [[0.0259040371, 0.7827717662, -0.8086757660]]
    return np.array(to_lab) @ np.cbrt(np.array(to_cones) @ np.clip(rgb, 0, 1))


def test_six_colours_differ_for_every_eye_and_stand_out_on_both_papers():
    css = (TEMPLATES / "report.css").read_text()
    themes = re.findall(r"--paper: (#\w{6}).*?((?:--run-\d: #\w{6}; ?){6})", css, re.S)
    assert len(themes) == 2
    for paper, runs in themes:
        colours = [linear(one) for one in re.findall(r"#\w{6}", runs)]
        light = [float(one @ (0.2126, 0.7152, 0.0722)) + 0.05 for one in (linear(paper), *colours)]
        assert min(max(one, light[0]) / min(one, light[0]) for one in light[1:]) >= 3
        for seen in SEEN:
            views = [oklab(seen @ one) for one in colours]
            assert min(float(np.linalg.norm(a - b)) for a, b in combinations(views, 2)) > 0.12


@pytest.mark.parametrize("arms", [2, 6, 7, 36])
def test_at_most_six_arms_are_strong_at_once_and_every_arm_can_be(arms):
    answer = made_answer(arms, 3)
    strong = strong_arms(answer)
    assert len(strong) == len(set(strong)) == min(arms, 6)
    assert 0 in strong  # the baseline of all contrasts
    rules = re.findall(r"\.run(\d+)\{--run:var\(--run-(\d)\);--mark:url\(#mark-(\d)\)", series_css(strong))
    assert [(int(arm), int(colour), int(mark)) for arm, colour, mark in rules] == [
        (arm, slot, slot) for slot, arm in enumerate(strong)
    ]
    page = answer_page(answer, Path("report.html"), ALONE).html()
    # the page's own script, and no other, may run: its hash is in the page's policy
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    hashes = re.findall(r"script-src 'sha256-(\S+?)'", page)
    assert hashes == [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert (page.count("<script"), "<select" in page) == (arms > 6, False)
    assert "://" not in page


def boxes(names):
    found = []
    for one in names:
        left, bottom = one["x"] - 1, one["y"] + 4
        found.append(Box(left, bottom - LINE, left + len(one["text"]) * LETTER + 2, bottom))
    return found


def test_names_lie_on_no_other_name_and_within_the_picture():
    bounds = Box(40, 20, 1200, 600)
    names = [Name(one, 500 + 9 * (one % 6), 300 + 7 * (one // 6), f"with_{one}_passes_of_it") for one in range(36)]
    placed = around(names, bounds)
    assert all(one.inside(bounds) for one in boxes(placed))
    assert not any(a.meets(b) for a, b in combinations(boxes(placed), 2))
    ends = at_the_end([Name(one, 400, 100 + one / 10, "x") for one in range(36)], 450, 20, 600)
    heights = [one["y"] for one in ends]
    assert min(b - a for a, b in pairwise(heights)) >= LINE - 1e-9
    assert heights[-1] <= 604


def test_every_arm_is_named_in_every_picture_and_never_only_by_pointing():
    answer = made_answer(36, 20)
    strong = strong_arms(answer)
    for sizes in (study_figures.pareto_figure(answer, strong), *study_figures.curve_figures(answer, strong)):
        for figure in sizes.values():
            assert len({one["text"] for one in figure.names if one["run"] is not None}) == 36
            assert figure.x_label
            assert figure.y_label
            assert all(box.left >= 0 and box.right <= figure.width + 60 for box in boxes(figure.names))


@pytest.mark.parametrize("arms", [2, 36])
def test_the_answer_in_words_stays_short_and_leaves_nothing_unsaid(arms):
    answer = made_answer(arms, 3)
    said = [one.text for one in summary(answer)]
    assert len(said) <= 14
    assert any(answer.ranked()[0].arm in text for text in said[:1])
    for facts in answer.measures:
        own = [one for one in answer.contrasts if one.verdict == "shown" and one.measure == facts.name]
        told = " ".join(text for text in said if text.startswith(f"{facts.name.replace('_', '-')}: shown"))
        assert all(f"{one.first} (" in told or f"{one.second} (" in told or " more." in told for one in own)
    assert any("Not shown to differ" in text for text in said)


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    return make_arms(tmp_path_factory.mktemp("runs"), {"a": (1.0, 0.5), "b": (0.0, 1.5)}, images=30)


def write_metrics(folder, rates):
    """Two stages, two steps each, of 50 samples; the recipe trains on four devices."""
    rows = [
        {"kind": "stage", "stage": "align", "samples_seen": 0},
        {"kind": "stage", "stage": "sft", "samples_seen": 100},
    ]
    for place, rate in enumerate(rates):
        row = {"kind": "train", "stage": "align" if place < 2 else "sft", "samples_seen": 50 * (place + 1)}
        rows.append(row | {"samples_per_s": rate, "memory_gib": 2.0 + place})
    write_jsonl(folder / "metrics.jsonl", rows)
    (folder / "recipe.resolved.yaml").write_text("devices: {count: 2, nodes: 2, accelerator: gpu}\n")


def test_what_an_arm_took_is_what_its_runs_recorded(arms, tmp_path):
    for seed, folder in arms["a"].items():
        write_metrics(folder, (10.0, 25.0, 50.0, 50.0) if seed != 19 else (10.0, None, 50.0, 50.0))
    answer = study_answer(StudyRuns("s", "?", arms))
    cost = answer.arm("a").cost
    assert cost.stages == {"align": 4 * (5.0 + 2.0), "sft": 4 * 2.0}
    assert (cost.seconds, cost.unit, cost.memory_gib, cost.seeds) == (36.0, "GPU", 5.0, 2)  # a step of one run is lost
    assert answer.arm("b").cost is None
    assert stage_seconds(load_run(arms["a"][19])) is None
    assert from_json(to_json(answer)) == answer
    page = answer_page(answer, tmp_path / "r.html", ALONE).html()
    assert "not on record" in page


def test_curves_end_where_the_answer_stands(arms):
    answer = study_answer(StudyRuns("s", "?", arms, ("fine_grained", "general")))
    for panel in answer.over_run:
        for curve in panel.curves:
            assert curve.checkpoints == ["start", "align"]
            assert curve.mean[-1] == pytest.approx(answer.arm(curve.arm).means[panel.group].value)
            assert set(curve.per_seed) == {17, 18, 19}
