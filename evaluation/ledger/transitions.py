"""What became of each item from one checkpoint to the next: learned, kept, forgotten, regained, or still wrong."""

from collections.abc import Sequence

import numpy as np

# As bars are read from left to right: right now, then wrong now.
WORDS = ("kept", "regained", "learned", "forgotten", "still forgotten", "never right yet")
KEPT, REGAINED, LEARNED, FORGOTTEN, STILL_FORGOTTEN, NEVER = range(len(WORDS))


def transition(history: Sequence[bool]) -> str:
    """The word for an item that was right or wrong in this order, seen from its last checkpoint (two at least)."""
    return WORDS[int(transitions(np.asarray(history, bool)[:, None])[-1, 0])]


def transitions(right_CN: np.ndarray) -> np.ndarray:
    """The number of the word of each item (in WORDS) at every checkpoint but the first, [C - 1, N]."""
    before = np.logical_or.accumulate(right_CN, axis=0)[:-1]  # right at any checkpoint so far
    previous, now = right_CN[:-1], right_CN[1:]
    when_right = np.where(previous, KEPT, np.where(before, REGAINED, LEARNED))
    when_wrong = np.where(previous, FORGOTTEN, np.where(before, STILL_FORGOTTEN, NEVER))
    return np.where(now, when_right, when_wrong).astype(np.uint8)


def counted(words_SN: np.ndarray) -> list[dict[str, int]]:
    """For each step: word -> items."""
    counts = [np.bincount(step, minlength=len(WORDS)) for step in words_SN]
    return [{word: int(count[number]) for number, word in enumerate(WORDS)} for count in counts]


def times_forgotten(right_CN: np.ndarray, steps: Sequence[int] | None = None) -> np.ndarray:
    """How often each item went from right to wrong, [N]; of `steps` only (0: from the first to the second)."""
    steps = range(len(right_CN) - 1) if steps is None else steps
    lost = [right_CN[step] & ~right_CN[step + 1] for step in steps]
    return np.sum(lost, axis=0) if lost else np.zeros(right_CN.shape[1], int)
