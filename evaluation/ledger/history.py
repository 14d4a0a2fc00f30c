"""One task's items at every checkpoint of a run, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..scoring.score_answers import RIGHT
from .answers import Answers
from .run import Run
from .store import ItemStore
from .transitions import counted, times_forgotten, transitions


@dataclass(frozen=True)
class TaskHistory:
    """The items that were answered at every checkpoint; `places[c]`: where they stand in `answers[c]`."""

    task: str
    answers: tuple[Answers, ...]
    places: tuple[np.ndarray | slice, ...]

    @property
    def ids(self) -> np.ndarray:
        return self.answers[0].ids[self.places[0]]

    @property
    def clusters(self) -> np.ndarray:
        return self.answers[0].clusters[self.places[0]]

    @property
    def right(self) -> np.ndarray:
        """[checkpoints, items]"""
        return np.stack([one.scores[at] >= RIGHT for one, at in zip(self.answers, self.places, strict=True)])

    def words(self) -> list[dict[str, int]]:
        """For each checkpoint but the first: how many items were learned, regained, kept, forgotten, or stayed
        wrong since the checkpoint before."""
        return counted(transitions(self.right))

    def times_forgotten(self, steps: Sequence[int] | None = None) -> np.ndarray:
        return times_forgotten(self.right, steps)

    def row(self, checkpoint: int, item: int) -> dict:
        """An answer row, read from the disk."""
        return self.answers[checkpoint].row(self.place(checkpoint, item))

    def place(self, checkpoint: int, item: int) -> int:
        at = self.places[checkpoint]
        return item if isinstance(at, slice) else int(at[item])

    def right_of(self, item: int) -> list[bool]:
        """One item at every checkpoint."""
        return [bool(one.scores[self.place(c, item)] >= RIGHT) for c, one in enumerate(self.answers)]

    def item(self, question_id: int | str) -> int | None:
        """The place of a question; None where it is not among the items."""
        found = np.nonzero(self.ids == question_id)[0]
        return int(found[0]) if len(found) else None


def aligned(task: str, answers: list[Answers | None]) -> TaskHistory | None:
    """None where one of the checkpoints has no answers, or they share no question."""
    if not answers or any(one is None for one in answers):
        return None
    first = answers[0].ids
    if all(len(one.ids) == len(first) and np.array_equal(one.ids, first) for one in answers[1:]):
        return TaskHistory(task, tuple(answers), (slice(None),) * len(answers))
    where = [{key: place for place, key in enumerate(one.ids.tolist())} for one in answers]
    shared = [key for key in first.tolist() if all(key in one for one in where)]
    if not shared:
        return None
    return TaskHistory(task, tuple(answers), tuple(np.asarray([one[key] for key in shared]) for one in where))


def task_history(store: ItemStore, run: Run, task: str) -> TaskHistory | None:
    """The task's items at all full checkpoints of the run."""
    return aligned(task, [store.answers(run, checkpoint, task) for checkpoint in run.checkpoints])
