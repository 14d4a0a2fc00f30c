"""What a study's measure may be called: WHAT, WHAT at CHECKPOINT, or steps until WHAT reaches PERCENT.

WHAT is fine_grained, general, forgetting, seen, unseen, harmonic, a task (or several, by the beginning of their names:
frow is the mean of all frow/...), TASK:unseen, or TASK:METRIC (another number of the task's primary rule, such as
pope:yes_ratio or frow:content, or the share of an outcome of names, such as frow/cub:sibling).
"""

import re
from dataclasses import dataclass

# a number of which neither more nor less is better: a yes-ratio, and where answers go that are not exact
NEITHER = ("yes_ratio", "name_level", "sibling", "other", "unnamed")
FORMS = "WHAT, WHAT at CHECKPOINT, or steps until WHAT reaches PERCENT (steps until fine_grained reaches 60)"


@dataclass(frozen=True)
class MeasureName:
    """`at`: the checkpoint, None = the last; `reaches`: the score in percent whose steps are counted."""

    what: str
    at: str | None = None
    reaches: float | None = None

    @property
    def better(self) -> int:
        """1: more is better; -1: less is; 0: neither (NEITHER)."""
        if self.reaches is not None or self.what == "forgetting":
            return -1
        return 0 if self.what.rpartition(":")[2] in NEITHER else 1


def read_measure(text: str) -> MeasureName:
    """ValueError: `text` is of none of the forms."""
    if match := re.fullmatch(r"steps until (\S+) reaches (\d+(?:\.\d+)?)", text):
        percent = float(match[2])
        if not 0 < percent <= 100:
            raise ValueError(f"{match[2]} is no score in percent")
        return MeasureName(match[1], reaches=percent)
    if match := re.fullmatch(r"(\S+) at (\S+)", text):
        return MeasureName(match[1], at=match[2])
    if not re.fullmatch(r"\S+", text):
        raise ValueError(f"not of the form {FORMS}")
    return MeasureName(text)
