"""What a rule is."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

Gold = str | Sequence[str]
Details = Mapping[str, object]
NO_DETAILS: Details = MappingProxyType({})


class Verdict(NamedTuple):
    """`score` in 0..1. `parsed`: what the rule read out of the answer, None where it found nothing it understands."""

    score: float
    parsed: str | None


# answer, gold or golds, options, what else the question says of itself (MathVista: answer_type, precision, ...)
Rule = Callable[[str, Gold, Sequence[str], Details], Verdict]


def golds_of(gold: Gold) -> list[str]:
    return [gold] if isinstance(gold, str) else list(gold)
