"""Item by item across the checkpoints of a run: what was learned, kept, forgotten, regained; and the sums of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_builders.errors import UserError

from .engine import rows_on_disk
from .scores import TaskScore, read_scores
from .scoring import RIGHT, cluster_of, item_scores
from .statistics import mcnemar_exact, paired_difference
from .task import task_without_items

WORDS = ("learned", "regained", "kept", "forgotten", "never right yet", "still forgotten")


def transition(history: Sequence[bool]) -> str:
    """The word for an item that was right or wrong in this order, seen from its last checkpoint (two at least)."""
    *before, previous, now = history
    ever = previous or any(before)
    if now:
        return "kept" if previous else "regained" if ever else "learned"
    return "forgotten" if previous else "still forgotten" if ever else "never right yet"


@dataclass(frozen=True)
class ItemHistory:
    """One question at every checkpoint: scores in 0..1 under the task's primary rule."""

    task: str
    question_id: int | str
    cluster: str  # its image
    scores: tuple[float, ...]

    @property
    def right(self) -> tuple[bool, ...]:
        return tuple(score >= RIGHT for score in self.scores)


@dataclass(frozen=True)
class RunHistory:
    """A run as scores.json and its answers tell it. `tasks[c]`: TaskScores at checkpoint c, in order."""

    name: str
    folder: Path
    checkpoints: tuple[str, ...]
    tasks: tuple[dict[str, TaskScore], ...]
    items: dict[str, list[ItemHistory]] = field(default_factory=dict)  # task -> items known at every checkpoint

    def common(self, group: str | None = None) -> list[str]:
        """Tasks in percent that every checkpoint has, of one group or of both."""
        names = [name for name in self.tasks[0] if all(name in scores for scores in self.tasks)]
        return [
            name
            for name in names
            if self.tasks[0][name].higher_is_better
            and (group is None or self.tasks[0][name].group == group)
            and all(scores[name].main.value is not None for scores in self.tasks)
        ]

    def value(self, task: str, checkpoint: int) -> float:
        return self.tasks[checkpoint][task].main.value


def answers_file(run: Path, checkpoint: str, task: str) -> Path:
    return Path(run) / "answers" / checkpoint / (task.replace("/", "__") + ".jsonl")


def read_run(folder: Path) -> RunHistory:
    """A run folder with scores.json. Items are there for the tasks whose answers files are. UserError when broken."""
    scores = read_scores(folder)
    checkpoints = tuple(checkpoint["name"] for checkpoint in scores["checkpoints"])
    if not checkpoints:
        raise UserError(f"{folder}/scores.json holds no checkpoint")
    tasks = tuple(
        {name: TaskScore.from_json(value) for name, value in checkpoint["tasks"].items()}
        for checkpoint in scores["checkpoints"]
    )
    history = RunHistory(str(scores.get("run", Path(folder).name)), Path(folder), checkpoints, tasks)
    for task in history.common():
        found = [checkpoint_items(Path(folder), checkpoint, task) for checkpoint in checkpoints]
        if all(found):
            shared = [key for key in found[0] if all(key in one for one in found)]
            history.items[task] = [
                ItemHistory(task, key, found[0][key][1], tuple(one[key][0] for one in found)) for key in shared
            ]
    return history


def checkpoint_items(run: Path, checkpoint: str, task: str) -> dict[int | str, tuple[float, str]]:
    """question id -> (score, image) of one answers file; empty when there is none."""
    rows = list(rows_on_disk(answers_file(run, checkpoint, task)))
    scores = item_scores(task_without_items(task), rows) if rows else {}
    return {row["question_id"]: (scores[row["question_id"]], cluster_of(row)) for row in rows}


def transitions(items: Sequence[ItemHistory]) -> list[dict[str, int]]:
    """For each checkpoint but the first: how many items were learned, regained, kept, forgotten, or stayed wrong."""
    steps = len(items[0].scores) - 1 if items else 0
    counts = [dict.fromkeys(WORDS, 0) for _ in range(steps)]
    for item in items:
        for step in range(steps):
            counts[step][transition(item.right[: step + 2])] += 1
    return counts


def forgetting(run: RunHistory, checkpoint: int = -1) -> dict[str, float]:
    """Points lost per general task: its best so far (this checkpoint included) minus now; never negative."""
    now = range(len(run.checkpoints))[checkpoint]
    return {
        task: max(run.value(task, before) for before in range(now + 1)) - run.value(task, now)
        for task in run.common("general")
    }


def gain(run: RunHistory, checkpoint: int = -1) -> dict[str, float]:
    """Points won per fine-grained task since the first checkpoint."""
    return {task: run.value(task, checkpoint) - run.value(task, 0) for task in run.common("fine_grained")}


def mean(values: dict[str, float]) -> float | None:
    """Every task with equal weight; None without tasks."""
    return sum(values.values()) / len(values) if values else None


@dataclass(frozen=True)
class Change:
    """One task from one checkpoint to another, in points; interval over images, exact McNemar p over right/wrong."""

    task: str
    before: float
    after: float
    low: float
    high: float
    p: float
    n: int


def change(task: str, before: dict, after: dict) -> Change | None:
    """Compare two answers of the same questions: {question id: (score, image)}; None when they share none."""
    keys = sorted((key for key in before if key in after), key=str)
    if not keys:
        return None
    a, b = [after[key][0] for key in keys], [before[key][0] for key in keys]
    difference = paired_difference(a, b, [before[key][1] for key in keys], (task,))
    p = mcnemar_exact([one >= RIGHT for one in a], [one >= RIGHT for one in b])
    points = [100 * one for one in (sum(b) / len(b), sum(a) / len(a), difference["low"], difference["high"])]
    return Change(task, *points, p=p, n=len(keys))


def changes(run: RunHistory, before: int = 0, after: int = -1) -> list[Change]:
    """Every task with answers on disk, from one checkpoint of a run to another."""
    found = []
    for task, items in run.items.items():
        sides = [{item.question_id: (item.scores[side], item.cluster) for item in items} for side in (before, after)]
        if (one := change(task, *sides)) is not None:
            found.append(one)
    return found
