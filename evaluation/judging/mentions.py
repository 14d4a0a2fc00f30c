"""Which names a text mentions, and where: plural, case, accents and hyphens do not count; denied ones are left out."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from data_builders.naming import singular, spellings, words

# Up to four words before a name, in the same sentence, that say it is something else.
DENYING = """
not isnt never unlike than versus vs neither nor resembles resemble resembling similar related compared confused
mistaken differs different
"""
DENIED_BY = frozenset(DENYING.split())
BEFORE = 4


class Mention(NamedTuple):
    """The name's words stand at start .. end - 1 of the text's words."""

    start: int
    end: int
    name: str


@lru_cache(1 << 14)
def forms(name: str) -> tuple[int, frozenset[str]]:
    """How many words a name has, and its words written as one: as they are and in the singular."""
    parts = words(name)
    return len(parts), frozenset(spellings(parts, [singular(one) for one in parts])) - {""}


def same(a: str, b: str) -> bool:
    return bool(forms(a)[1] & forms(b)[1])


class Text:
    """A text's words, and where each run of them stands."""

    def __init__(self, text: str):
        self.words: list[str] = []
        self.sentence_of: list[int] = []  # the place of the first word of each word's sentence
        for sentence in re.split(r"[.!?;:]+(?=\s|$)|\n+", text):
            found = words(sentence)
            self.sentence_of += [len(self.words)] * len(found)
            self.words += found
        self.singulars = [singular(one) for one in self.words]
        self._runs: dict[int, dict[str, list[int]]] = {}

    def runs(self, length: int) -> dict[str, list[int]]:
        """Every spelling of every run of so many words -> where it begins."""
        if length not in self._runs:
            found: dict[str, list[int]] = {}
            for start in range(len(self.words) - length + 1):
                end = start + length
                for one in set(spellings(self.words[start:end], self.singulars[start:end])):
                    found.setdefault(one, []).append(start)
            self._runs[length] = found
        return self._runs[length]

    def mentions(self, name: str) -> list[Mention]:
        """Where the name stands and is not denied; one word may be written as two and two as one."""
        length, wanted = forms(name)
        found = set()
        for size in range(max(1, length - 1), length + 2) if length else ():
            runs = self.runs(size)
            found |= {Mention(start, start + size, name) for one in wanted for start in runs.get(one, ())}
        return sorted(one for one in found if not self.denied(one.start))

    def denied(self, start: int) -> bool:
        """Does a word of denial (not, no, ...) stand shortly before this word, in its sentence?"""
        return not DENIED_BY.isdisjoint(self.words[max(self.sentence_of[start], start - BEFORE) : start])


class NameIndex:
    """Many names, found in a text in one pass: as `Text.mentions` finds each of them."""

    def __init__(self, names: Iterable[str]):
        self._of: dict[str, list[tuple[int, str]]] = {}  # spelling -> (words of the name, name)
        lengths = set()
        for name in names:
            length, wanted = forms(name)
            lengths.add(length)
            for one in wanted:
                self._of.setdefault(one, []).append((length, name))
        self._sizes = sorted({size for length in lengths if length for size in range(max(1, length - 1), length + 2)})

    def mentions(self, text: Text) -> list[Mention]:
        found = {
            Mention(start, start + size, name)
            for size in self._sizes
            for spelling, starts in text.runs(size).items()
            for length, name in self._of.get(spelling, ())
            if abs(length - size) <= 1
            for start in starts
        }
        return sorted(one for one in found if not text.denied(one.start))


def first_of(mentions: Iterable[Mention]) -> Mention | None:
    """What is mentioned first, of several at one place the longest ("laysan albatross", not "albatross")."""
    return min(mentions, key=lambda one: (one.start, -one.end), default=None)
