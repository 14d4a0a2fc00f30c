"""A run's metrics.jsonl, put together from its stages (some of them shared with other runs) and its scores."""

import json
from collections.abc import Iterator
from pathlib import Path

from data_builders.files import write_jsonl
from evaluation.scores import read_scores
from fgtrain.plan import Plan


def offsets(plan: Plan) -> dict[str, int]:
    """Samples seen before each stage."""
    found, seen = {}, 0
    for stage in plan.stages:
        found[stage.name] = seen
        seen += stage.samples or 0
    return found


def assemble(run_folder: Path, plan: Plan) -> list[dict]:
    """Write metrics.jsonl anew and return its rows. Samples are counted over all stages of the run."""
    rows = list(_rows(run_folder, plan))
    write_jsonl(run_folder / "metrics.jsonl", rows)
    return rows


def _rows(run_folder: Path, plan: Plan) -> Iterator[dict]:
    full = _full_evaluations(run_folder)
    yield from full.get(None, [])
    for stage in plan.stages:
        before = offsets(plan)[stage.name]
        marker = {"kind": "stage", "stage": stage.name, "samples_seen": before, "step": 0}
        yield marker | {"fingerprint": stage.fingerprint}
        path = run_folder / stage.name / "metrics.jsonl"
        if path.exists():
            for row in _whole_rows(path):
                yield row | {"samples_seen": row["samples_seen"] + before}
        yield from full.get(stage.name, [])


def _whole_rows(path: Path) -> Iterator[dict]:
    """The rows, without a last line that a killed process left torn."""
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        yield json.loads(line)


def _full_evaluations(run_folder: Path) -> dict[str | None, list[dict]]:
    if not (run_folder / "scores.json").exists():
        return {}
    found: dict[str | None, list[dict]] = {}
    for checkpoint in read_scores(run_folder)["checkpoints"]:
        place = {key: checkpoint[key] for key in ("stage", "step", "samples_seen")}
        for name, task in checkpoint["tasks"].items():
            for score in task["scores"]:
                row = {"kind": "eval", **place, "task": name, "group": task["group"], "subset": False}
                row |= {key: score[key] for key in ("rule", "metric", "value", "low", "high", "n")}
                found.setdefault(checkpoint["stage"], []).append(row)
    return found


def eval_rows(scores: dict, stage: str, step: int, samples_seen: int) -> list[dict]:
    """Scores of a subset as rows of metrics.jsonl. `scores`: task -> TaskScore."""
    return [
        {
            "kind": "eval",
            "stage": stage,
            "step": step,
            "samples_seen": samples_seen,
            "task": name,
            "group": task.group,
            "rule": score.rule,
            "metric": score.metric,
            "value": score.value,
            "low": score.low,
            "high": score.high,
            "n": score.n,
            "subset": True,
        }
        for name, task in scores.items()
        for score in task.scores
    ]
