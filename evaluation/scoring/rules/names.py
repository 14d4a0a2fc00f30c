"""Answers that are names or words: FG-BMK's rule as released, ours without its traps, and plain equality."""

from collections.abc import Sequence
from functools import lru_cache

from ...shared.texts import folded, normalise
from .base import NO_DETAILS, Details, Gold, Verdict, golds_of
from .final_word import yes_or_no


def single_spaced(text: str) -> str:
    """The folded text with marks between words as one blank each."""
    return " ".join(normalise(folded(text)).split())


# Golds and options come again and again; answers may be long and are not kept.
known = lru_cache(1 << 14)(normalise)
known_single_spaced = lru_cache(1 << 14)(single_spaced)


def released(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """FG-BMK as released: right iff the normalised gold is a substring of the normalised answer."""
    said = normalise(answer)
    if isinstance(gold, str):
        return Verdict(1.0 if known(gold) in said else 0.0, said or None)
    return Verdict(float(any(known(one) in said for one in gold)), said or None)


def is_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def whole_words(name: str, said: str) -> list[int]:
    """Where `name` stands in `said` with no letter, digit or underscore at either side; places do not overlap."""
    places, start = [], said.find(name)
    while start >= 0:
        end = start + len(name)
        free = (start == 0 or not is_word(said[start - 1])) and (end == len(said) or not is_word(said[end]))
        if free:
            places.append(start)
        start = said.find(name, end if free else start + 1)
    return places


def mentions(said: str, names: Sequence[str]) -> set[str]:
    """Which normalised `names` occur as whole words in `said`; one inside a longer one that occurs does not count."""
    found: set[str] = set()
    present = {name for name in names if name and name in said}
    for name in sorted(present, key=lambda one: (-len(one), one)):
        if places := whole_words(name, said):
            found.add(name)
            for place in reversed(places):
                said = f"{said[:place]}\x00{said[place + len(name) :]}"
    return found


def strict(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """Ours: whole words only, without case, accents, hyphens and width. Yes/no: the one that is stated (`final_word`).
    Choice: exactly one option may be named."""
    wanted = {known_single_spaced(one) for one in golds_of(gold)}
    if wanted and wanted <= {"yes", "no"}:
        stated = yes_or_no(folded(answer))
        return Verdict(float(stated in wanted), stated)
    said = single_spaced(answer)
    if options:
        named = mentions(said, [known_single_spaced(option) for option in options])
        return Verdict(float(len(named) == 1 and named <= wanted), named.pop() if len(named) == 1 else None)
    return Verdict(float(bool(mentions(said, list(wanted)) & wanted)), said or None)


def exact(answer: str, gold: Gold, options: Sequence[str] = (), details: Details = NO_DETAILS) -> Verdict:
    """Equal up to case, blanks at the ends and one full stop at the end."""

    def plain(text: str) -> str:
        return text.strip().removesuffix(".").strip().lower()

    return Verdict(float(plain(answer) in {plain(one) for one in golds_of(gold)}), plain(answer) or None)
