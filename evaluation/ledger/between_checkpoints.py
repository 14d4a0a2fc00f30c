"""Steps between the checkpoints: the fixed subset that a stage asks while it trains, item by item."""

import re
from dataclasses import dataclass

from .answers import Answers
from .history import TaskHistory, aligned
from .run import Run, is_accuracy
from .store import ItemStore

FOLDER = re.compile(r"step0*(\d+)$")


@dataclass(frozen=True)
class Moment:
    """A checkpoint or a step between; `samples_seen` from the start of the run."""

    name: str
    samples_seen: int
    checkpoint: int | None  # its number among the run's checkpoints; None for a step between
    folder: object = None


def moments(run: Run) -> list[Moment]:
    """Checkpoints and the steps between them whose answers lie in <run>/subset/<stage>, in the order of training."""
    found = [Moment(one.name, one.samples_seen, number) for number, one in enumerate(run.checkpoints)]
    seen = {(row.get("stage"), row.get("step")): row.get("samples_seen") for row in run.evals if row.get("subset")}
    for stage in dict.fromkeys(one.stage for one in run.checkpoints if one.stage):
        for folder in sorted((run.folder / "subset" / stage).glob("step*")):
            number = FOLDER.match(folder.name)
            samples = seen.get((stage, int(number[1]))) if number else None
            if samples is not None:  # steps that this run did not take (a shared stage) are not its own
                found.append(Moment(f"{stage} step {int(number[1]):,}", int(samples), None, folder))
    return sorted(found, key=lambda one: (one.samples_seen, one.checkpoint is not None))


def history_with_steps(store: ItemStore, run: Run, task: str) -> tuple[list[Moment], TaskHistory] | None:
    """The items of the subset at every moment; None where the stages kept none or answers are missing."""
    score = run.last.tasks.get(task)
    if score is None or not is_accuracy(score):
        return None
    times = moments(run)
    answers: list[Answers | None] = []
    kept = []
    for time in times:
        if time.checkpoint is not None:
            one = store.answers(run, run.checkpoints[time.checkpoint], task)
        else:
            one = store.file(time.folder / f"{task.replace('/', '__')}.jsonl", score, task)
            if one is None:
                continue
        kept.append(time)
        answers.append(one)
    if all(time.checkpoint is not None for time in kept):
        return None
    found = aligned(task, answers)
    return (kept, found) if found is not None else None
