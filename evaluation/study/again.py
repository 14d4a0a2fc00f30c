"""A study's folder, read again: its kept answer and the runs it was made of."""

from dataclasses import replace
from pathlib import Path

from data_builders.shared.errors import UserError

from .answer import StudyAnswer
from .files import read_answer
from .runs import StudyRuns


def read_study(folder: Path) -> tuple[StudyRuns, StudyAnswer]:
    """What was asked of which runs, and the answer. A run that does not lie where the answer says is looked for beside
    the study's folder: the whole may have been moved.

    UserError: a run is gone, or the answer is not of this program.
    """
    answer = read_answer(folder)
    arms = [replace(one, runs={seed: _found(run, folder) for seed, run in one.runs.items()}) for one in answer.arms]
    answer = replace(answer, arms=arms)
    runs = StudyRuns(
        name=answer.name,
        question=answer.question,
        arms={one.arm: {seed: Path(run) for seed, run in one.runs.items()} for one in arms},
        measures=tuple(one.name for one in answer.measures),
        contrasts=tuple(dict.fromkeys((one.first, one.second) for one in answer.contrasts)),
        matched=answer.matched,
        costs={one.arm: one.hours for one in arms},
        notes=answer.notes,
    )
    return runs, answer


def _found(run: str, folder: Path) -> str:
    beside = Path(folder).resolve().parent / Path(run).name
    for path in (Path(run), beside):
        if path.is_dir():
            return str(path)
    raise UserError(f"run {run} of the study in {folder} is gone, and is not at {beside} either; make the study again")
