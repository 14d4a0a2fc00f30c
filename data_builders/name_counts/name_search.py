"""Names as sequences of words, and finding them in texts: whole words, whatever their case, hyphens or plural; of names
that begin at one place the longest, so that "house wren" is no mention of "house".

Texts and names are brought into one form: lower case, without accents and possessive 's ("Brandt's cormorant" is CUB's
"Brandt Cormorant"), every other character but letters and digits a blank. Whether a name is meant is not judged: an
"orange" may be a colour.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping

BETWEEN = "\x01"  # stands between two texts that are searched at once, and is no word of any name
# Of all letters up to the Japanese syllables; what comes behind them is hardly punctuation.
BLANKS = {place: " " for place in range(0x3041) if not chr(place).isalnum() and chr(place) != BETWEEN}
ACCENTS = re.compile("[\u0300-\u036f]+")
SIBILANT = ("s", "x", "z", "ch", "sh")


def plain(text: str) -> str:
    """The one form; words are what blanks part."""
    if not text.isascii():
        text = ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold().replace("\u2019", "'")))
    return text.lower().replace("'s", "").translate(BLANKS)


def forms(word: str) -> frozenset[str]:
    """A word with its plurals, and where it looks like one itself ("fries") with its singulars."""
    found = {word, word + "s"}
    if word.endswith(SIBILANT) or word.endswith("o"):
        found.add(word + "es")
    if word.endswith("y") and word[-2:-1] not in ("", *"aeiou"):
        found.add(word[:-1] + "ies")
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        found.add(word[:-1])
        if word.endswith("ies"):
            found.add(word[:-3] + "y")
        elif word.endswith("es") and word[:-2].endswith((*SIBILANT, "o")):
            found.add(word[:-2])
    return frozenset(found)


class Names:
    """Finds the names of categories. `names`: category -> its label and aliases; a name that two categories share is a
    mention of both."""

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        self.categories = list(names)
        # first word -> [(other words, places of the categories)], the longest first
        self._by_first: dict[str, list[tuple[tuple[str, ...], tuple[int, ...]]]] = {}
        surfaces: dict[tuple[str, ...], dict[int, None]] = {}
        for place, known in enumerate(names.values()):
            for name in known:
                if words := plain(name).split():
                    for last in forms(words[-1]):
                        surfaces.setdefault((*words[:-1], last), {})[place] = None
        for words, places in surfaces.items():
            self._by_first.setdefault(words[0], []).append((words[1:], tuple(places)))
        for some in self._by_first.values():
            some.sort(key=lambda one: -len(one[0]))
        # A text without any of these words holds no name: of each name one word, the longest, as that is seldom common.
        self._telling = frozenset(max(words, key=len) for words in surfaces)

    def find(self, texts: Iterable[str]) -> list[int]:
        """The places of the categories that the texts mention, a place for every mention."""
        words = plain(f" {BETWEEN} ".join(texts)).split()
        if self._telling.isdisjoint(words):
            return []
        found, place, by_first = [], 0, self._by_first
        while place < len(words):
            step = 1
            for others, places in by_first.get(words[place], ()):
                if not others or tuple(words[place + 1 : place + 1 + len(others)]) == others:
                    found += places
                    step = 1 + len(others)
                    break
            place += step
        return found
