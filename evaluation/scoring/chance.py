"""What guessing comes to, and how a score stands to it.

A closed question is guessed right with 1 / options; yes or no by always saying the likelier one. Open questions are not
guessed. So a task's chance level is its own number under such answers: the mean over its questions, F1 for POPE.
"""

import numpy as np

from ..tasks.task import Task
from .answer_columns import Sheet
from .matching import RULES, YES_NO_RULES
from .task_measures import task_measures


def chance_of(task: Task, sheet: Sheet) -> float | None:
    """The task's number, in percent, that guessing comes to; None where no question of it is closed."""
    rule = task.primary
    if rule not in RULES or sheet.options is None:
        return None
    open_N = sheet.options == 0
    yes_no = bool(open_N.any()) and bool((sheet.gold_words[open_N] >= 0).all())
    if open_N.all() and not yes_no:
        return None
    words = (1, 0) if yes_no else (-1,)
    return max(_value(task, sheet, rule, word) for word in words)


def _value(task: Task, sheet: Sheet, rule: str, word: int) -> float:
    """`word`: 1 or 0, what is said to every question that wants a yes or a no."""
    with np.errstate(divide="ignore"):
        guessed = np.where(sheet.options > 0, 1 / sheet.options, sheet.gold_words == word)
    labels = np.full(len(guessed), word, np.int8) if rule in YES_NO_RULES else None
    measure = task_measures(task, sheet, rule, guessed, labels)[0]
    return 100 * float(measure.statistic(measure.columns_NC.sum(0)))


def standing(low: float | None, high: float | None, chance: float | None) -> str:
    """ "at chance" where the interval of a score holds the level, "below chance" where it ends under it, else ""."""
    if chance is None or low is None or high is None or low > chance:
        return ""
    return "at chance" if high >= chance else "below chance"
