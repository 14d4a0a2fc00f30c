"""Drift beside forgetting: what words moved, what was lost since a stage began, and whether one follows the other."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.compare.drift import StageDrift, correlations, distance, drift_of_run
from evaluation.ledger import Run
from evaluation.ledger.run import Checkpoint


def score(value: float, group: str = "general", low: float = 30.0) -> dict:
    one = {"rule": "exact", "metric": "accuracy", "value": value, "unit": "percent", "low": low, "high": 99.0}
    return {"title": "t", "group": group, "primary": "exact", "scores": [one], "chance": 25.0}


def run_of(folder: Path) -> Run:
    before = {"kept": score(80.0), "guessed": score(26.0, low=20.0), "birds": score(30.0, "fine_grained")}
    after = {"kept": score(60.0), "guessed": score(10.0), "birds": score(70.0, "fine_grained")}
    for name, answers in {"sft": ["A cat", "a dog"], "fg": ["A wren.", "a dog"]}.items():
        path = folder / "answers" / name / "kept.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps({"answer": one}) + "\n" for one in answers))
    points = tuple(Checkpoint(name, name, 8, 1, "x", tasks) for name, tasks in (("sft", before), ("fg", after)))
    stages = [{"name": "sft", "starts_from": "start", "batch": {}}, {"name": "fg", "starts_from": "sft", "batch": {}}]
    rows = [{"kind": "drift", "stage": "fg", "step": step, "kl": kl} for step, kl in ((1, 0.1), (2, 0.5))]
    return Run("one", folder, points, drift=rows, plan={"stages": stages})


def test_a_stage_is_told_against_what_it_starts_from(tmp_path: Path):
    (found,) = drift_of_run(run_of(tmp_path))  # of sft nothing is known
    assert found == StageDrift("fg", "sft", kl=0.5, words=0.25, forgotten=20.0)  # what was guessed had nothing to lose
    bare = drift_of_run(replace(run_of(tmp_path / "bare"), drift=[]))
    assert [one.kl for one in bare] == [None]
    a, b = Counter("aab"), Counter("ccd")
    assert (distance(a, a), distance(a, b)) == (0, 1)
    assert distance(a, Counter("ab")) == pytest.approx(1 / 6)


def stages(kl: float, lost: float) -> list[StageDrift]:
    return [StageDrift("sft", "align", 9.0, None, 0.0), StageDrift("fg", "sft", kl, None, lost)]


def test_forgetting_follows_the_meter_or_it_is_not_shown():
    follows = [stages(kl, kl**2) for kl in (0.1, 0.4, 0.2, 0.8, 0.6, 1.1)]
    (one,) = correlations(follows)
    assert (one.meter, one.runs, one.rho) == ("kl", 6, pytest.approx(1.0))
    assert one.low > 0.9
    mixed = [stages(*pair) for pair in ((0.1, 3), (0.2, 1), (0.3, 4), (0.4, 1.5), (0.5, 2.9), (0.6, 3.1))]
    (other,) = correlations(mixed)
    assert other.low < 0 < other.high
    assert correlations(mixed) == [other]
    assert correlations(follows[:3]) == []
