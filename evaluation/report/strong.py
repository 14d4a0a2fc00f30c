"""Which lines are drawn strongly: at most six at once, each with a colour and a mark that no other has.

All others are grey. Where there are more than six, six selection lists say who has which colour: style rules read them
(`:has(option:checked)`), so that the page needs no script and every choice is within reach of the keyboard.
"""

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from ..study import StudyAnswer
from .figures import COLOURS


def strong_arms(answer: StudyAnswer) -> list[int]:
    """The arms, by their place in `answer.arms`, that are drawn strongly at first: the one that most contrasts name
    (the baseline), those that no other betters, then by rank."""
    places = {one.arm: place for place, one in enumerate(answer.arms)}
    named = Counter(arm for pair in {(one.first, one.second) for one in answer.contrasts} for arm in pair)
    first = [arm for arm, times in named.most_common(1) if times > 1]
    front = [one.arm for one in answer.pareto if one.on_front and one.arm in places]
    ranked = [one.arm for one in answer.ranked()]
    front.sort(key=ranked.index)
    chosen = list(dict.fromkeys([*first, *front, *ranked]))[:COLOURS]
    return [places[arm] for arm in sorted(chosen, key=ranked.index)]


def series_css(names: Sequence[str]) -> Markup:
    """What gives `.run0`, `.run1`, ... their colour and mark."""
    count = max(len(names), COLOURS)
    if count <= COLOURS:
        return Markup("\n".join(f".run{slot}{{{_slot(slot)}}}" for slot in range(COLOURS)))
    rules = [
        f"body:has(#slot{slot} option[value='{one}']:checked) .run{one}{{{_slot(slot)}}}"
        for slot in range(COLOURS)
        for one in range(count)
    ]
    rules += [f".choose .slot{slot}{{{_slot(slot)}}}" for slot in range(COLOURS)]
    return Markup("\n".join(rules))


def _slot(slot: int) -> str:
    return (
        f"--run:var(--run-{slot});--mark:url(#mark-{slot});--wide:2.4;--fade:1;--seed:.4;--name:var(--ink);--bold:700"
    )
