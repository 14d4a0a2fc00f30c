"""What a score is on disk: `TaskScore`, and a run's scores.json with one entry a checkpoint."""

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, write_json
from data_builders.shared.locks import locked


@dataclass(frozen=True)
class Score:
    """One number under one named rule, with its 95 % interval (None where one image gives no interval)."""

    rule: str
    metric: str
    value: float | None  # None: not defined on these answers (a precision without any "yes")
    low: float | None
    high: float | None
    n: int
    unit: str  # "percent" or "perplexity"


@dataclass(frozen=True)
class GroupScore:
    """The same under the task's primary rule over a part of the questions: those whose `by` is `name`."""

    by: str  # category, attribute, skills, ...
    name: str
    rule: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int  # questions
    chance: float | None = None  # this value, in percent, that guessing comes to; None: open questions


@dataclass(frozen=True)
class TaskScore:
    """All numbers of one task. The task's own number is the first score whose rule is `primary`."""

    task: str
    title: str
    group: str
    version: int
    n: int  # questions
    images: int  # clusters of the interval (texts for perplexity)
    primary: str
    scores: list[Score]
    disagreements: int = 0  # questions on which the rules differ
    notes: list[str] = field(default_factory=list)
    image_root: str = ""
    higher_is_better: bool = True
    categories: dict[str, list[float]] = field(default_factory=dict)  # category -> [score sum, questions]
    groups: list[GroupScore] = field(default_factory=list)  # a ranked key's in falling order, the others' by name
    unparsed: dict[str, int] = field(default_factory=dict)  # rule -> answers it read nothing out of
    differences: dict[str, int] = field(default_factory=dict)  # other rule -> questions it judges unlike the primary
    chance: float | None = None  # the task's own number, in percent, that guessing comes to; None: open questions
    name_lists: dict[str, dict] = field(default_factory=dict)  # rule -> `name_lists.ListCurves`, of lists of names

    @property
    def main(self) -> Score:
        """The score that stands for the task."""
        return next(score for score in self.scores if score.rule == self.primary)

    def to_json(self) -> dict:
        """As score files have it."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict) -> "TaskScore":
        """From a score file's entry. UserError where it is none."""
        try:
            groups = [GroupScore(**group) for group in values.get("groups", ())]
            return cls(**{**values, "scores": [Score(**score) for score in values["scores"]], "groups": groups})
        except (KeyError, TypeError) as error:
            raise UserError(f"not a task score: {error}") from None


def read_scores(path: Path) -> dict:
    """A run's scores.json as it lies there: {"run", "checkpoints": [...]}. UserError when it is not one."""
    path = Path(path)
    path = path / "scores.json" if path.is_dir() else path
    scores = read_json(path)
    if not isinstance(scores, dict) or not isinstance(scores.get("checkpoints"), list):
        raise UserError(f'{path} is not a run\'s scores: it must hold {{"run", "checkpoints"}}')
    return scores


def add_checkpoint(
    run_folder: Path,
    checkpoint_name: str,
    *,
    stage: str | None,
    samples_seen: int,
    step: int,
    model_hash: str,
    scores: dict[str, TaskScore],
    questions: dict[str, str] | None = None,
    made_with: dict | None = None,
) -> None:
    """Write one checkpoint's scores into <run_folder>/scores.json; one of the same name is replaced.

    Checkpoints stand in the order of training, in whatever order they are entered. `questions`: task -> hash of what
    was asked (`task.questions_hash`). `made_with`: code, commit and library versions, for the record.
    """
    entry = {
        "name": checkpoint_name,
        "stage": stage,
        "samples_seen": samples_seen,
        "step": step,
        "model_hash": model_hash,
        "tasks": {name: score.to_json() for name, score in scores.items()},
    }
    if questions is not None:
        entry["questions"] = questions
    if made_with is not None:
        entry["made_with"] = made_with
    path = Path(run_folder) / "scores.json"
    with scores_locked(path.parent):
        known = read_scores(path) if path.exists() else {"run": path.parent.resolve().name, "checkpoints": []}
        names = [checkpoint["name"] for checkpoint in known["checkpoints"]]
        if checkpoint_name in names:
            known["checkpoints"][names.index(checkpoint_name)] = entry
        else:
            known["checkpoints"].append(entry)
            known["checkpoints"].sort(key=lambda checkpoint: checkpoint["samples_seen"])
        write_json(path, known)


def scores_locked(run_folder: Path) -> AbstractContextManager[None]:
    """While a run's scores.json is read, changed and written; several processes may enter what they have measured."""
    return locked(run_folder / ".scores.lock")
