"""Shares of one merge are beside each other: each stands in the picture, and none comes before another."""

import json
import shutil
from pathlib import Path

import pytest
from study_run_fakes import FINE, GENERAL, make_run

from evaluation.compare import compare_runs, pareto_rows
from evaluation.ledger import load_run
from evaluation.report.curves import pareto
from evaluation.shared.sweeps import beside
from evaluation.study import StudyRuns, study_answer
from fgtrain.runs.forgetting import forgetting

NAMES = ("start", "sft", "fg", "wise@0.25", "wise@0.5", "wise@0.75")
SKILL = {FINE: (-2.0, -2.0, 2.0, 1.8, 1.2, 0.2), GENERAL: (0.0, 1.5, -1.0, 2.5, 0.6, 1.0)}  # .25 is above SFT


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run that merges at three shares, and the same without the first two of them."""
    root = tmp_path_factory.mktemp("runs")
    swept = make_run(root / "swept", SKILL, seed=17, names=NAMES)
    alone = shutil.copytree(swept, root / "alone")
    scores = json.loads((alone / "scores.json").read_text())
    scores["checkpoints"] = [one for one in scores["checkpoints"] if one["name"] not in NAMES[3:5]]
    (alone / "scores.json").write_text(json.dumps(scores))
    return {"swept": swept, "alone": alone}


def test_only_shares_of_one_merge_are_beside_each_other():
    assert beside("wise@0.25", "wise@0.5")
    assert not any(
        beside(*pair) for pair in [("wise@0.5",) * 2, ("wise@0.5", "soup@0.5"), ("fg", "wise@1"), (None, None)]
    )


def test_each_share_stands_in_the_picture_and_forgets_by_what_came_before_the_merge(folders):
    found = compare_runs([load_run(folders["swept"])])
    rows = {row["checkpoint"]: row for row in pareto_rows(found)}
    assert list(rows) == list(NAMES[3:])
    assert rows["wise@0.25"]["on_front"]
    assert not rows["wise@0.75"]["on_front"]
    labels = [one["text"] for one in reversed(pareto(found)["wide"].names)]
    assert sorted(labels) == list(NAMES[3:])
    alone = compare_runs([load_run(folders["alone"])]).runs[0].forgetting[-1]
    assert found.runs[0].forgetting[-1].value == pytest.approx(alone.value)
    assert pareto(compare_runs([load_run(folders["alone"])])) == {}


def test_a_studys_arm_has_a_place_for_each_share(folders):
    arms = {"swept": {17: folders["swept"]}, "alone": {17: folders["alone"]}}
    found = study_answer(StudyRuns("s", "", arms))
    places = {one.arm: one for one in found.pareto}
    assert list(places) == [*(f"swept {name}" for name in NAMES[3:]), "alone"]
    assert places["swept wise@0.75"].forgetting.value == pytest.approx(places["alone"].forgetting.value)
    assert places["alone"].bettered_by == ["swept wise@0.25"] or places["alone"].forgetting.value == 0
    means = found.arm("swept").means
    assert means["forgetting"].value == pytest.approx(found.arm("alone").means["forgetting"].value)


def test_the_curve_of_forgetting_follows_the_same_rule():
    def row(stage: str, value: float) -> dict:
        about = {"task": "t", "group": "general", "unit": "percent", "primary": True, "low": value, "subset": False}
        return {"kind": "eval", "stage": stage, "step": 1, "samples_seen": 1, "value": value, **about}

    sft, first, second = row("sft", 80.0), row("wise@0.25", 90.0), row("wise@0.5", 70.0)
    assert next(forgetting([sft, first, second], [second]))["forgetting"] == 10.0
    assert next(forgetting([sft, {**first, "stage": "fg"}, second], [second]))["forgetting"] == 20.0
