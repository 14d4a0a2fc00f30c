"""Which lines are drawn strongly: at most six at once, each with a colour and a mark that no other has.

All others are grey. Where there are more than six, a small script within the page (templates/choose.js) draws those
strongly that a reader clicks; without it, and on paper, the first choice stands.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from ..study import StudyAnswer
from .figures import COLOURS

RULE = (
    "--run:var(--run-SLOT);--mark:url(#mark-SLOT);--wide:2.4;--fade:1;--seed:.4;--name:var(--ink);--bold:700;"
    "--shown:inline-flex"
)


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


def series_css(strong: Sequence[int]) -> Markup:
    """What gives `.run0`, `.run1`, ... their colour and mark, to those that are drawn strongly."""
    return Markup("\n".join(f".run{one}{{{RULE.replace('SLOT', str(slot))}}}" for slot, one in enumerate(strong)))


def script() -> tuple[Markup, str]:
    """What lets a reader choose others, and its hash for the page's Content-Security-Policy."""
    text = (Path(__file__).parent / "templates" / "choose.js").read_text(encoding="utf-8")
    return Markup(text), base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
