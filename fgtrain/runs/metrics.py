"""A run's metrics.jsonl, put together from its stages (some of them shared with other runs) and its scores."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from data_builders.shared.files import read_json, write_jsonl
from evaluation.scoring.score_files import TaskScore
from fgtrain.plan import Plan
from fgtrain.recipe import START, Recipe

from .forgetting import with_forgetting
from .groups import rows_in_groups
from .subset import SUBSET_ROWS, subset_folder


def offsets(plan: Plan) -> dict[str, int]:
    """Samples seen before each stage."""
    found, seen = {}, 0
    for stage in plan.stages:
        found[stage.name] = seen
        seen += stage.samples or 0
    return found


def assemble(recipe: Recipe, plan: Plan, evaluations: dict[str, dict], features: Iterable[dict]) -> None:
    """Write the run's metrics.jsonl anew. `evaluations`: checkpoint -> its evaluation as it lies in the store;
    `features`: rows of what was measured of features."""
    rows = chain(with_forgetting(run_rows(recipe, plan, evaluations)), features)
    write_jsonl(recipe.run_folder / "metrics.jsonl", rows)


def run_rows(recipe: Recipe, plan: Plan, evaluations: dict[str, dict]) -> Iterator[dict]:
    """All rows that there are of the run by now, in order. Samples are counted over all its stages."""
    before = offsets(plan)
    yield from _evaluation(evaluations.get(START), None, 0, 0)
    for stage in plan.stages:
        marker = {"kind": "stage", "stage": stage.name, "samples_seen": before[stage.name], "step": 0}
        yield marker | {"fingerprint": stage.fingerprint}
        for row in stage_rows(recipe, stage.fingerprint):
            yield row | {"samples_seen": row["samples_seen"] + before[stage.name]}
        end = before[stage.name] + (stage.samples or 0)
        yield from _evaluation(evaluations.get(stage.name), stage.name, stage.steps or 0, end)


def _evaluation(found: dict | None, stage: str | None, step: int, samples_seen: int) -> Iterator[dict]:
    """Rows of a full evaluation, then those of the subset out of the same answers."""
    if found is None:
        return
    scores = {name: TaskScore.from_json(task) for name, task in found["tasks"].items()}
    yield from eval_rows(scores, stage, step, samples_seen, subset=False)
    yield from (row | {"stage": stage, "step": step, "samples_seen": samples_seen} for row in found["subset"])


def stage_rows(recipe: Recipe, fingerprint: str) -> list[dict]:
    """Rows of a stage by step, with the subset evaluations that the recipe asks; samples counted from its beginning."""
    store = recipe.stage_store(fingerprint)
    path = store / "metrics.jsonl"
    rows = [row for row in _whole_rows(path) if row["kind"] == "train"] if path.exists() else []
    asked = subset_folder(recipe, store)
    for file in sorted(asked.glob(f"step*/{SUBSET_ROWS}")) if asked is not None else ():
        rows += rows_in_groups(recipe, read_json(file))
    return sorted(rows, key=lambda row: row["step"])


def _whole_rows(path: Path) -> Iterator[dict]:
    """The rows, without a last line that a killed process left torn."""
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        yield json.loads(line)


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
            "chance": task.chance if score is task.main else None,
            "subset": subset,
        }
        for name, task in scores.items()
        for score in task.scores
    ]
