"""What guessing comes to, and how a score stands to it.

A closed question is guessed right with 1 / options, a name of a list with 1 / names; yes or no by always saying the
likelier one. Open questions are not guessed. So the chance level of a task, or of a part of it, is its own number under
such answers: the mean over its questions, F1 for POPE.
"""

from collections.abc import Callable

import numpy as np

from ..tasks.task import Task
from .answer_columns import Sheet
from .matching import RULES, YES_NO_RULES
from .metrics import Measure
from .name_lists import NAMES
from .task_measures import task_measures

# (scores 0..1 of each question, what is said to yes/no questions) -> the measure of a part of the task
MeasureOf = Callable[[np.ndarray, np.ndarray | None], Measure]


def chance_of(task: Task, sheet: Sheet) -> float | None:
    """The task's number, in percent, that guessing comes to; None where no question of it is closed."""
    return chance_at(
        task,
        sheet,
        np.arange(len(sheet.ids)),
        lambda guessed, labels: task_measures(task, sheet, task.primary, guessed, labels)[0],
    )


def chance_at(task: Task, sheet: Sheet, places: np.ndarray, measure_of: MeasureOf) -> float | None:
    """The same of the questions at `places`."""
    rule = task.primary
    if rule in sheet.lists:
        return 100 * float((1 / sheet.lists[rule][places, NAMES]).mean())
    if rule not in RULES or sheet.options is None:
        return None
    open_N = sheet.options[places] == 0
    yes_no = bool(open_N.any()) and bool((sheet.gold_words[places][open_N] >= 0).all())
    if open_N.all() and not yes_no:
        return None

    def value(word: int) -> float:
        """`word`: 1 or 0, what is said to every question that wants a yes or a no."""
        with np.errstate(divide="ignore"):
            guessed = np.where(sheet.options > 0, 1 / sheet.options, sheet.gold_words == word)
        labels = np.full(len(guessed), word, np.int8) if rule in YES_NO_RULES else None
        measure = measure_of(guessed, labels)
        return 100 * float(measure.statistic(measure.columns_NC[places].sum(0)))

    return max(map(value, (1, 0) if yes_no else (-1,)))


def standing(low: float | None, high: float | None, chance: float | None) -> str:
    """ "at chance" where the interval of a score holds the level, "below chance" where it ends under it, else ""."""
    if chance is None or low is None or high is None or low > chance:
        return ""
    return "at chance" if high >= chance else "below chance"
