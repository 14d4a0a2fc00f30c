"""A run's metrics.jsonl, put together from its stages (some of them shared with other runs) and its scores."""

import json
from collections.abc import Iterator
from pathlib import Path

from data_builders.shared.files import read_json, write_jsonl
from evaluation.scoring.score_files import TaskScore, read_scores
from fgtrain.plan import Plan
from fgtrain.recipe import START

from .forgetting import with_forgetting

SUBSET = "subset"  # of a run: <stage> -> answers and rows of the subset that this recipe asks
SUBSET_ROWS = "rows.json"


def offsets(plan: Plan) -> dict[str, int]:
    """Samples seen before each stage."""
    found, seen = {}, 0
    for stage in plan.stages:
        found[stage.name] = seen
        seen += stage.samples or 0
    return found


def assemble(run_folder: Path, plan: Plan) -> list[dict]:
    """Write metrics.jsonl anew and return its rows. Samples are counted over all stages of the run."""
    rows = list(with_forgetting(_rows(run_folder, plan)))
    write_jsonl(run_folder / "metrics.jsonl", rows)
    return rows


def _rows(run_folder: Path, plan: Plan) -> Iterator[dict]:
    full = _full_evaluations(run_folder)
    yield from full.get(None, [])
    yield from _subset_at(run_folder, START)
    for stage in plan.stages:
        before = offsets(plan)[stage.name]
        marker = {"kind": "stage", "stage": stage.name, "samples_seen": before, "step": 0}
        yield marker | {"fingerprint": stage.fingerprint}
        for row in stage_rows(run_folder, stage.name):
            yield row | {"samples_seen": row["samples_seen"] + before}
        yield from full.get(stage.name, [])
        yield from _subset_at(run_folder, stage.name)


def _subset_at(run_folder: Path, checkpoint: str) -> list[dict]:
    """The subset's scores at a checkpoint, out of the answers to all questions."""
    path = run_folder / SUBSET / f"{checkpoint}.json"
    return read_json(path) if path.exists() else []


def stage_rows(run_folder: Path, stage: str) -> list[dict]:
    """Rows of one stage by step, the run's own subset evaluations among them; samples counted from its beginning."""
    path = run_folder / stage / "metrics.jsonl"
    rows = [row for row in _whole_rows(path) if row["kind"] == "train"] if path.exists() else []
    for file in sorted((run_folder / SUBSET / stage).glob(f"step*/{SUBSET_ROWS}")):
        rows += read_json(file)
    return sorted(rows, key=lambda row: row["step"])


def _whole_rows(path: Path) -> Iterator[dict]:
    """The rows, without a last line that a killed process left torn."""
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        yield json.loads(line)


def _full_evaluations(run_folder: Path) -> dict[str | None, list[dict]]:
    if not (run_folder / "scores.json").exists():
        return {}
    found: dict[str | None, list[dict]] = {}
    for checkpoint in read_scores(run_folder)["checkpoints"]:
        place = [checkpoint[key] for key in ("stage", "step", "samples_seen")]
        scores = {name: TaskScore.from_json(task) for name, task in checkpoint["tasks"].items()}
        found.setdefault(checkpoint["stage"], []).extend(eval_rows(scores, *place, subset=False))
    return found


def eval_rows(
    scores: dict[str, TaskScore], stage: str | None, step: int, samples_seen: int, subset: bool
) -> list[dict]:
    """Scores of one moment as rows of metrics.jsonl. `scores`: task -> TaskScore."""
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
            "unit": score.unit,
            "low": score.low,
            "high": score.high,
            "n": score.n,
            "primary": score is task.main,
            "subset": subset,
        }
        for name, task in scores.items()
        for score in task.scores
    ]
