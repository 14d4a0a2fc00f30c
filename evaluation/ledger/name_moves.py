"""What became of each answer's name from one checkpoint to the next: an exact name may become a sibling's, which is
finer forgetting than a name of nothing."""

from dataclasses import dataclass

import numpy as np

from ..judging.recognition import OUTCOMES
from ..scoring.name_outcomes import FOLDER
from .answers import rows_with_offsets
from .run import Run


@dataclass(frozen=True)
class Moves:
    """`counts[i, j]`: questions whose answers were OUTCOMES[i] at `before` and are OUTCOMES[j] at `after`."""

    before: str
    after: str
    counts: np.ndarray

    def of(self, outcome: str) -> dict[str, int]:
        """Outcome now -> questions, of those that had this outcome before."""
        row = self.counts[OUTCOMES.index(outcome)]
        return dict(zip(OUTCOMES, map(int, row), strict=True))


def outcomes_at(run: Run, checkpoint: str, task: str) -> dict[int | str, str]:
    """question id -> outcome; empty where that checkpoint's names were not measured. UserError: a damaged file."""
    answers = run.answers_file(checkpoint, task)
    path = answers.parent / FOLDER / answers.name
    if not path.exists():
        return {}
    return {row["question_id"]: row["outcome"] for _, row in rows_with_offsets(path) if row["outcome"] in OUTCOMES}


def name_moves(run: Run, task: str) -> list[Moves]:
    """From each checkpoint to the next, over the questions that both have named."""
    names = [one.name for one in run.checkpoints]
    said = [outcomes_at(run, name, task) for name in names]
    found = []
    for place in range(len(names) - 1):
        counts = np.zeros((len(OUTCOMES), len(OUTCOMES)), int)
        for key, before in said[place].items():
            if (after := said[place + 1].get(key)) is not None:
                counts[OUTCOMES.index(before), OUTCOMES.index(after)] += 1
        if counts.any():
            found.append(Moves(names[place], names[place + 1], counts))
    return found
