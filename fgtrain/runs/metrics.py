"""A run's metrics.jsonl, put together from its stages (some of them shared with other runs) and its scores."""

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from data_builders.shared.files import write_jsonl
from data_builders.shared.state_files import read_state
from data_builders.shared.terminal import say
from evaluation.scoring.score_files import TaskScore
from evaluation.scoring.seen_scores import parts_of
from fgtrain.errors import UserError
from fgtrain.plan import Plan
from fgtrain.recipe import START, Recipe
from fgtrain.recipe.objective_schema import WITHOUT_TOKENS
from fgtrain.training.drift_file import drift_rows
from fgtrain.training.metrics_file import missing_steps, readable_steps

from .forgetting import with_forgetting
from .groups import rows_in_groups
from .held_out import part_rows, sides_of, with_seen_rows
from .subset import SUBSET_ROWS, subset_folder
from .watched import read_watch, trained_samples, trained_steps, watch_rows

FIGURES = "metrics.jsonl"  # of a stage, in its store


def offsets(plan: Plan) -> dict[str, int]:
    """Samples seen before each stage."""
    found, seen = {}, 0
    for stage in plan.stages:
        found[stage.name] = seen
        seen += trained_samples(stage) or 0
    return found


def assemble(recipe: Recipe, plan: Plan, evaluations: dict[str, dict], features: Iterable[dict]) -> None:
    """Write the run's metrics.jsonl anew. `evaluations`: checkpoint -> its evaluation as it lies in the store;
    `features`: rows of what was measured of features, and of which links are broken."""
    for stage in plan.stages:
        steps = trained_steps(stage) if stage.objective not in WITHOUT_TOKENS else None
        if missing := missing_steps(recipe.stage_store(stage.fingerprint) / FIGURES, steps):
            say(missing, file=sys.stderr)
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
        end = before[stage.name] + (trained_samples(stage) or 0)
        yield from _evaluation(evaluations.get(stage.name), stage.name, trained_steps(stage) or 0, end)


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
    rows = readable_steps(store / FIGURES)
    asked = subset_folder(recipe, store)
    sides = sides_of(recipe) if asked is not None else {}
    for file in sorted(asked.glob(f"step*/{SUBSET_ROWS}")) if asked is not None else ():
        rows += rows_in_groups(recipe, with_seen_rows(_subset_rows(file), file.parent, sides))
    if (watch := read_watch(store)) is not None and rows:
        rows += watch_rows(rows[0]["stage"], watch)
    rows += drift_rows(store)
    return sorted(rows, key=lambda row: row["step"])


def _subset_rows(path: Path) -> list[dict]:
    """Scores of the subset while a stage trained. Where they cannot be read, a gap in the curves, and a word."""
    try:
        rows = read_state(path, list[dict[str, Any]], "")
        return [one | {"value": one["value"]} for one in rows if one["kind"] == "eval" and one["step"] >= 0]
    except (UserError, KeyError, TypeError):
        say(f"{path} is not what was written (cut off or altered); the curves have a gap there", file=sys.stderr)
        return []


def eval_rows(
    scores: dict[str, TaskScore], stage: str | None, step: int, samples_seen: int, subset: bool
) -> list[dict]:
    """Scores of one moment as rows of metrics.jsonl, those for seen and unseen categories last. `scores`: task ->
    TaskScore."""
    rows = [
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
    mains = [row for row in rows if row["primary"]]
    return rows + [one for row in mains for one in part_rows(row, parts_of(scores[row["task"]]))]
