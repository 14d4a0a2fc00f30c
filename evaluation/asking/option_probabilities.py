"""Which texts could be the answer to a closed question, and what the model makes of each of them.

An option's log-probability tells a wrong answer apart: the right option may still be the likeliest (then the format is
at fault), or another one is (then the model does not know).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..shared.texts import normalise

if TYPE_CHECKING:
    from ..tasks.task import Item

YES_NO = ("yes", "no")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def options_of(item: "Item") -> tuple[str, ...]:
    """The options of an item as its gold names them; none for an open question."""
    if not isinstance(item.gold, str):
        return ()
    if len(item.options) > 1:
        options = tuple(dict.fromkeys(item.options))
        if any(normalise(one) == normalise(item.gold) for one in options):
            return options
        letters = tuple(LETTERS[: len(item.options)])
        return letters if item.gold.strip().upper() in letters else ()
    return YES_NO if normalise(item.gold) in YES_NO else ()


def forms_of(option: str) -> tuple[str, ...]:
    """The texts a model may write for an option."""
    return (option, option.capitalize()) if option in YES_NO else (option,)


def spoken(item: "Item") -> tuple[str, ...]:
    """All forms of all options, in a fixed order: what a model is asked to weigh."""
    return tuple(form for option in options_of(item) for form in forms_of(option))


def weighed(item: "Item", found: Sequence[tuple[float, int]]) -> dict[str, list]:
    """option -> [sum of ln p, number of tokens] of its likeliest form, from the results for `spoken(item)`."""
    results = iter(found)
    best = {}
    for option in options_of(item):
        log_p, tokens = max((next(results) for _ in forms_of(option)), key=lambda one: one[0])
        best[option] = [round(float(log_p), 6), int(tokens)]
    return best
