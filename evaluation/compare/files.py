"""A comparison as JSON, and the ledger as one row an item."""

import math
from collections.abc import Iterator

from ..ledger import WORDS, ItemStore, Run, history_with_steps, is_accuracy, primary, task_history, transitions
from ..links import links_of_run
from ..published import beside as published
from ..shared.sweeps import is_swept
from .drift import correlations, drift_of_run
from .perturbed import conditions_of, drop_in
from .results import Comparison, RunResult, TaskResult

VERSION = 1


def to_json(found: Comparison) -> dict:
    """What was found, for programs: every number with n and its 95 % interval, points throughout."""
    return _finite(
        {
            "version": VERSION,
            "runs": [_run(one) for one in found.runs],
            "between": [
                {
                    "first": found.runs[one.first].run.name,
                    "other": found.runs[one.other].run.name,
                    "tasks": {change.task: change.to_json() for change in one.changes},
                }
                for one in found.between
            ],
            "pareto": pareto_rows(found),
            "drift": {one.run.name: [stage.to_json() for stage in drift_of_run(one.run)] for one in found.runs},
            "drift_and_forgetting": [
                one.to_json() for one in correlations([drift_of_run(one.run) for one in found.runs])
            ],
            "published": published.to_json(published.beside(published.of_runs([one.run for one in found.runs]))),
            "most_forgotten": [
                {
                    "task": item.task,
                    "question_id": item.question_id,
                    "times_forgotten": item.times,
                    "runs_lost_in": item.lost_in,
                    "right": {found.runs[number].run.name: right for number, right in item.runs.items()},
                }
                for item in found.most_forgotten
            ],
        }
    )


def pareto_rows(found: Comparison) -> list[dict]:
    """Each run's gain and forgetting at its end, and at each share of a merge at several; `on_front`: no other of them
    gains more and forgets less.
    """
    rows = []
    for one in found.runs:
        later = one.run.checkpoints[1:]
        for point, gain, lost in zip(later, one.gain, one.forgetting, strict=True):
            if gain and lost and (point is one.run.last or is_swept(point.name)):
                about = {"run": one.run.name, "checkpoint": point.name}
                rows.append({**about, "gain": gain.to_json(), "forgetting": lost.to_json()})
    for row in rows:
        row["on_front"] = not any(dominates(other, row) for other in rows)
    return rows


def dominates(a: dict, b: dict) -> bool:
    more, less = a["gain"]["value"] - b["gain"]["value"], b["forgetting"]["value"] - a["forgetting"]["value"]
    return more >= 0 and less >= 0 and (more > 0 or less > 0)


def _run(result: RunResult) -> dict:
    run = result.run
    names = [one.name for one in run.checkpoints]
    return {
        "name": run.name,
        "checkpoints": [
            {key: getattr(one, key) for key in ("name", "stage", "samples_seen", "step", "model_hash")}
            for one in run.checkpoints
        ],
        "overall": {
            "mean": {group: dict(zip(names, map(_json, means), strict=True)) for group, means in result.means.items()},
            "held_out": {
                part: dict(zip(names, map(_json, means), strict=True)) for part, means in result.parts.items()
            },
            "gain": dict(zip(names[1:], map(_json, result.gain), strict=True)),
            "forgetting": dict(zip(names[1:], map(_json, result.forgetting), strict=True)),
            "change_from_the_stage_before": {
                group: dict(zip(names[1:], map(_json, changes), strict=True))
                for group, changes in result.changes.items()
            },
        },
        "unmeasured": result.unmeasured,
        "nothing_to_forget": result.left_out or None,
        "tasks": {name: _task(run, one) for name, one in result.tasks.items()},
        "perturbed": {
            name: {
                c.name: {
                    "score": primary(c.tasks[name]),
                    "chance": c.tasks[name].get("chance"),
                    "drop": drop_in(c.tasks[name]),
                }
                for c in run.checkpoints
                if name in c.tasks
            }
            for names in conditions_of([run]).values()
            for name in names
        },
        "links": links_of_run(run),
        "not_followed_item_by_item": result.missing,
    }


def _task(run: Run, one: TaskResult) -> dict:
    scores = {c.name: primary(c.tasks[one.task]) for c in run.checkpoints if one.task in c.tasks}
    names = [c.name for c in run.checkpoints[1:]]
    return {
        "title": one.title,
        "group": one.group,
        "chance": run.task_score(one.task).get("chance"),
        "scores": scores,
        "change_from_the_base": dict(zip(names, map(_json, one.from_base), strict=True)),
        "change_from_the_stage_before": dict(zip(names, map(_json, one.from_before), strict=True)),
        "items": None if one.history is None else dict(zip(names, one.history.words(), strict=True)),
    }


def _json(value: object) -> object:
    return None if value is None else value.to_json()


def _finite(value: object) -> object:
    """JSON has no NaN: what is not defined is null."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def ledger_rows(store: ItemStore, runs: list[Run]) -> Iterator[dict]:
    """One row an item and run: its score at every checkpoint, then at the steps between where it was asked."""
    for run in runs:
        names = [one.name for one in run.checkpoints]
        for task, score in run.last.tasks.items():
            if is_accuracy(score):
                yield from _task_rows(store, run, task, names)


def _task_rows(store: ItemStore, run: Run, task: str, names: list[str]) -> Iterator[dict]:
    history = task_history(store, run, task)
    if history is None:
        return
    between = history_with_steps(store, run, task)
    steps: dict[int | str, dict[str, float]] = {}
    if between is not None:
        times, some = between
        columns = [(t.name, a.scores[at]) for t, a, at in zip(times, some.answers, some.places, strict=True)]
        for place, key in enumerate(some.ids.tolist()):
            steps[key] = {name: round(float(scores[place]), 4) for name, scores in columns}
    words = transitions(history.right)
    scores = [a.scores[at] for a, at in zip(history.answers, history.places, strict=True)]
    for place, key in enumerate(history.ids.tolist()):
        row = {
            "run": run.name,
            "task": task,
            "question_id": key,
            "scores": {name: round(float(one[place]), 4) for name, one in zip(names, scores, strict=True)},
            "became": {name: WORDS[step[place]] for name, step in zip(names[1:], words, strict=True)},
        }
        yield row | ({"with_steps": steps[key]} if key in steps else {})
