"""What there is to gain or to forget: a score counts from where its interval leaves guessing (or zero) behind."""

from collections.abc import Sequence

from ..scoring.chance import standing
from .run import Checkpoint, Run, known, primary


def floor(score: dict) -> float:
    """The task's chance level in percent; 0 where it asks open questions."""
    chance = score.get("chance")
    return float(chance) if known(chance) else 0.0


def beyond(score: dict | None) -> bool:
    """Whether the 95 % interval of the task's number lies above its floor."""
    low = primary(score).get("low") if score is not None else None
    return known(low) and low > floor(score) + 1e-9


def stands(score: dict) -> str:
    """ "at chance", "below chance", "at 0", or "" where it is beyond."""
    head = primary(score)
    if known(score.get("chance")):
        return standing(head.get("low"), head.get("high"), score["chance"])
    return "" if beyond(score) else "at 0" if not head.get("value") else "no clearer than 0"


def ever_beyond(checkpoints: Sequence[Checkpoint], task: str) -> bool:
    """Whether there was anything to forget at any of the checkpoints."""
    return any(beyond(one.tasks.get(task)) for one in checkpoints)


def nothing_to_forget(run: Run, tasks: Sequence[str], until: int | None = None) -> dict[str, str]:
    """Of the tasks those that were never beyond their floor -> how their last score stands."""
    points = run.checkpoints[:until]
    return {task: stands(points[-1].tasks[task]) for task in tasks if not ever_beyond(points, task)}
