"""What a report reads of a run folder: scores.json (required), and what else is there.

`load_run` checks scores.json so far that the rest of the report need not doubt its shape; metrics.jsonl, plan.json,
recipe.resolved.yaml and answers/ may be absent, and the report then says so in their place.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl
from data_builders.shared.yaml_limits import load_yaml

from ..held_out.sides import Sides, read_sides

GROUPS = {"fine_grained": "Fine-grained", "general": "General"}


@dataclass(frozen=True)
class Checkpoint:
    """One full evaluation. `tasks`: task name -> TaskScore, as scores.json holds it."""

    name: str
    stage: str | None
    samples_seen: int
    step: int
    model_hash: str
    tasks: dict[str, dict]


@dataclass(frozen=True)
class Run:
    """One run folder. `train`, `evals`, `stages`, `watched`, `drift` are the rows of metrics.jsonl, without those a
    resume overwrote."""

    name: str
    folder: Path
    checkpoints: tuple[Checkpoint, ...]
    train: list[dict] = field(default_factory=list)
    evals: list[dict] = field(default_factory=list)
    stages: list[dict] = field(default_factory=list)
    watched: list[dict] = field(default_factory=list)  # looks at stages that could stop early
    drift: list[dict] = field(default_factory=list)  # how far stages have moved what the model answers
    plan: dict = field(default_factory=dict)
    recipe_text: str = ""
    recipe: dict = field(default_factory=dict)
    sides: dict[str, Sides] = field(default_factory=dict)  # task -> pictures of seen and unseen categories

    @property
    def last(self) -> Checkpoint:
        return self.checkpoints[-1]

    def task_score(self, task: str) -> dict | None:
        """The newest TaskScore of a task: what is said about a task (title, group, notes) is read from it."""
        return next((c.tasks[task] for c in reversed(self.checkpoints) if task in c.tasks), None)

    def answers_file(self, checkpoint: str, task: str) -> Path:
        return self.folder / "answers" / checkpoint / f"{task.replace('/', '__')}.jsonl"


def primary(task_score: dict) -> dict:
    """The score that stands for the task: the first one under its primary rule."""
    scores = task_score["scores"]
    return next((s for s in scores if s["rule"] == task_score["primary"]), scores[0])


def is_accuracy(task_score: dict) -> bool:
    """Whether the task may enter a mean in percent: perplexity and its like stand apart."""
    return bool(task_score.get("higher_is_better", True)) and primary(task_score).get("unit") != "perplexity"


def known(value: object) -> bool:
    """Whether a score is a number at all (nothing judged yet gives null)."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def load_run(folder: Path, *, metrics: bool = True) -> Run:
    """Read a run folder, all but metrics.jsonl without `metrics`. UserError: no scores.json (with the command that
    makes it), or one of another shape."""
    folder = Path(folder)
    path = folder / "scores.json"
    if not path.exists():
        recipe = folder / "recipe.resolved.yaml"
        command = f"python -m fgtrain {recipe if recipe.exists() else 'RECIPE'}"
        what = f"no file {path}" if folder.is_dir() else f"no run folder {folder}"
        raise UserError(f"{what}. A run leaves its scores there when it evaluates: {command}")
    content = read_json(path)
    try:
        checkpoints = tuple(_checkpoint(entry) for entry in content["checkpoints"])
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(f"{path} is not a scores file of this program (at {error}); score the run again") from None
    if not checkpoints:
        raise UserError(f"{path} holds no checkpoint yet; let the run reach its first evaluation")
    rows = _figures(folder / "metrics.jsonl") if metrics else []
    recipe_path = folder / "recipe.resolved.yaml"
    recipe_text = recipe_path.read_text(encoding="utf-8", errors="replace") if recipe_path.exists() else ""
    return Run(
        name=str(content.get("run") or folder.name),
        folder=folder,
        checkpoints=checkpoints,
        train=_latest(rows, "train", ("samples_seen",)),
        evals=_latest(rows, "eval", ("samples_seen", "task", "rule", "metric", "subset")),
        stages=_latest(rows, "stage", ("stage",)),
        watched=_latest(rows, "watch", ("stage", "step")),
        drift=_latest(rows, "drift", ("stage", "step")),
        plan=_plan(folder / "plan.json"),
        recipe_text=recipe_text,
        recipe=_mapping(recipe_text),
        sides=read_sides(folder),
    )


def _figures(path: Path) -> list[dict]:
    """The rows of metrics.jsonl; none where there is none. UserError for one that this program does not write."""
    rows, way_on = [], f"Remove {path}; the run's own command writes it anew from what its stages left"
    try:
        for number, row in enumerate(read_jsonl(path) if path.exists() else (), 1):
            if wrong := _wrong(row):
                raise UserError(f"{path}, line {number}, is no row of figures: {wrong}")
            rows.append(row)
    except (UserError, UnicodeDecodeError) as error:
        raise UserError(f"{error}. {way_on}") from None
    return rows


def _wrong(row: dict) -> str:
    """What a row of its kind cannot have; "" for rows of other kinds."""
    kind = row.get("kind")
    wrong = (
        []
        if kind not in ("train", "eval", "watch", "drift")
        else [key for key in ("samples_seen",) if not _number(row.get(key))]
    )
    texts = (
        {"eval": ("task", "rule"), "stage": ("stage",), "watch": ("stage",), "drift": ("stage",)}.get(kind, ())
        if isinstance(kind, str)
        else ("kind",)
    )
    wrong += [key for key in texts if not isinstance(row.get(key), str)]
    if kind == "eval" and row.get("value") is not None and not _number(row["value"]):
        wrong.append("value")
    return f"{wrong[0]} is {row.get(wrong[0])!r}" if wrong else ""


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _checkpoint(entry: dict) -> Checkpoint:
    for score in entry["tasks"].values():
        score["task"], score["title"], score["group"], score["scores"][0]["value"], score["primary"]
    return Checkpoint(
        name=entry["name"],
        stage=entry.get("stage"),
        samples_seen=int(entry.get("samples_seen") or 0),
        step=int(entry.get("step") or 0),
        model_hash=str(entry.get("model_hash") or ""),
        tasks=entry["tasks"],
    )


def _latest(rows: list[dict], kind: str, key: tuple[str, ...]) -> list[dict]:
    """Rows of a kind, the last one for each key, by samples seen: a resumed run writes some steps twice."""
    newest = {tuple(row.get(part) for part in key): row for row in rows if row.get("kind") == kind}
    return sorted(newest.values(), key=lambda row: row.get("samples_seen") or 0)


def _plan(path: Path) -> dict:
    if not path.exists():
        return {}
    plan = read_json(path)
    return plan if isinstance(plan, dict) else {}


def _mapping(text: str) -> dict:
    try:
        value = load_yaml(text)
        # Through JSON, so that dates and the like are plain text from here on.
        return json.loads(json.dumps(value, default=str)) if isinstance(value, dict) else {}
    except (yaml.YAMLError, ValueError):  # no YAML, or an alias that contains itself
        return {}
