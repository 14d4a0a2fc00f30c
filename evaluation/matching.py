"""Named rules: how an answer is compared with the gold. Each rule is total: it gives a verdict on any text.

The published rules are kept to the letter, with their traps (FACTS: "no" is found in "unknown"); where a trap matters
a stricter rule of ours stands beside it under its own name.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """`score` in 0..1. `parsed`: what the rule read out of the answer, None where it found nothing it understands."""

    score: float
    parsed: str | None


Rule = Callable[[str, str | Sequence[str], Sequence[str]], Verdict]  # answer, gold or golds, options


def normalise(text: str) -> str:
    """FG-BMK's normal form: each run of `_`, `-`, `,` becomes one blank; lower case; stripped."""
    return re.sub(r"[_\-,]+", " ", text).lower().strip()


def golds_of(gold: str | Sequence[str]) -> list[str]:
    return [gold] if isinstance(gold, str) else list(gold)


def released(answer: str, gold: str | Sequence[str], options: Sequence[str] = ()) -> Verdict:
    """FG-BMK as released: right iff the normalised gold is a substring of the normalised answer."""
    said = normalise(answer)
    return Verdict(float(any(normalise(one) in said for one in golds_of(gold))), said or None)


def mentions(said: str, names: Sequence[str]) -> set[str]:
    """Which normalised `names` occur as whole words in `said`; one inside a longer one that occurs does not count."""
    found = set()
    for name in sorted(set(names), key=lambda one: (-len(one), one)):
        if not name:
            continue
        pattern = rf"(?<!\w){re.escape(name)}(?!\w)"
        if re.search(pattern, said):
            found.add(name)
            said = re.sub(pattern, "\x00", said)
    return found


def strict(answer: str, gold: str | Sequence[str], options: Sequence[str] = ()) -> Verdict:
    """Ours: whole words only. Yes/no: the first of the two words decides. Choice: exactly one option may be named."""
    said, wanted = " ".join(normalise(answer).split()), {" ".join(normalise(one).split()) for one in golds_of(gold)}
    if wanted <= {"yes", "no"}:
        first = next((word for word in re.findall(r"\w+", said) if word in ("yes", "no")), None)
        return Verdict(float(first in wanted), first)
    if options:
        named = mentions(said, [" ".join(normalise(option).split()) for option in options])
        return Verdict(float(len(named) == 1 and named <= wanted), named.pop() if len(named) == 1 else None)
    return Verdict(float(bool(mentions(said, list(wanted)) & wanted)), said or None)


def exact(answer: str, gold: str | Sequence[str], options: Sequence[str] = ()) -> Verdict:
    """Equal up to case, blanks at the ends and one full stop at the end."""

    def plain(text: str) -> str:
        return text.strip().removesuffix(".").strip().lower()

    return Verdict(float(plain(answer) in {plain(one) for one in golds_of(gold)}), plain(answer) or None)


def pope_label(answer: str) -> str:
    """POPE's rule: "no" iff one of the blank-separated tokens of the first sentence is No, not or no; else "yes"."""
    first = answer.split(".", 1)[0].replace(",", "")
    return "no" if {"No", "not", "no"} & set(first.split(" ")) else "yes"


def pope(answer: str, gold: str | Sequence[str], options: Sequence[str] = ()) -> Verdict:
    label = pope_label(answer)
    return Verdict(float(label in golds_of(gold)), label)


def parse_number(text: str) -> float | None:
    """ChartQA's reading of a number: Python's float(), a trailing "%" divides by 100."""
    try:
        return float(text.rstrip("%")) / 100.0 if text.endswith("%") else float(text)
    except ValueError:
        return None


def relaxed(answer: str, gold: str | Sequence[str], options: Sequence[str] = ()) -> Verdict:
    """ChartQA's relaxed accuracy: within 5 % of the gold number; lower-case equality for text and for gold zero."""

    def one(target: str) -> bool:
        said, wanted = parse_number(answer), parse_number(target)
        if said is not None and wanted:  # a gold of zero has no relative distance and is compared as text
            return abs(said - wanted) / abs(wanted) <= 0.05
        return answer.lower() == target.lower()

    return Verdict(float(any(map(one, golds_of(gold)))), answer or None)


def levenshtein(a: str, b: str) -> int:
    """Edit distance (insert, delete, replace), by bit-parallel columns: 64 times fewer steps than the plain table."""
    if len(a) < len(b):
        a, b = b, a
    if not b:
        return len(a)
    # Myers 1999 / Hyyro 2003, one arbitrarily long integer as the bit vector
    places: dict[str, int] = {}
    for index, letter in enumerate(b):
        places[letter] = places.get(letter, 0) | 1 << index
    last, mask = 1 << (len(b) - 1), (1 << len(b)) - 1
    plus, minus, distance = mask, 0, len(b)
    for letter in a:
        match = places.get(letter, 0)
        diagonal = (((match & plus) + plus) ^ plus) | match | minus
        up, down = (minus | ~(diagonal | plus)) & mask, plus & diagonal
        if up & last:
            distance += 1
        elif down & last:
            distance -= 1
        up, down = (up << 1 | 1) & mask, (down << 1) & mask
        plus, minus = (down | ~(diagonal | up)) & mask, up & diagonal
    return distance


def anls_one(answer: str, gold: str) -> float:
    # The official script takes the distance on collapsed lower-case text, the denominator on the raw strings.
    said, wanted = " ".join(answer.strip().lower().split()), " ".join(gold.strip().lower().split())
    length = max(len(gold.upper()), len(answer.upper()))
    return 1.0 - (levenshtein(said, wanted) / length if length else 0.0)


def anls(answer: str, gold: str | Sequence[str], options: Sequence[str] = ()) -> Verdict:
    """DocVQA's ANLS: best gold; 0 below one half, one half itself is kept."""
    best = max((anls_one(answer, one) for one in golds_of(gold)), default=0.0)
    return Verdict(best if best >= 0.5 else 0.0, answer.strip() or None)


RULES: dict[str, Rule] = {
    "released": released,
    "strict": strict,
    "exact": exact,
    "pope": pope,
    "relaxed": relaxed,
    "anls": anls,
}
