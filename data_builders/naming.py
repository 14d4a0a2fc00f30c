"""Does a question name its category, do two questions ask the same? Case, plural and hyphens do not count."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

IRREGULAR = {"geese": "goose", "mice": "mouse", "men": "man", "women": "woman", "feet": "foot", "teeth": "tooth"}
LONGEST_ALIAS_WORDS = 5
# Words that do not decide what a question asks: the picture, and the words for whatever is in it.
EMPTY_WORDS = """
a an the of in on at to for by with from as and or do does did is are was were be been has have had it its this that
these those there can could you please me my us image picture photo photograph shown depicted displayed seen visible
illustrated typical typically primary primarily main mainly mostly usual usually commonly common generally general
particular specific bird fish dog breed animal species organism creature plant flower object item thing subject aircraft
airplane plane dish food vegetable fruit product grocery type kind
"""


def words(text: str) -> list[str]:
    """Lower-case words and numbers without accents; "Brewer's" is one word, "red-winged" two."""
    plain = text.casefold()
    if not plain.isascii():
        plain = "".join(sign for sign in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(sign))
    return re.findall(r"[^\W_]+", re.sub(r"['’‘`´]", "", plain))


@lru_cache(maxsize=1 << 16)
def singular(word: str) -> str:
    """The word without the plural's ending; equal for both numbers, though not always a word."""
    word = IRREGULAR.get(word, word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses", "zes", "oes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return word[:-2] + "f" if len(word) > 3 and word.endswith(("ve", "fe")) else word


EMPTY = frozenset(singular(word) for word in words(EMPTY_WORDS))


def spellings(parts: list[str], singulars: list[str]) -> tuple[str, str, str]:
    """The words written as one, as they are and in the singular: "redwinged" meets "red-winged"."""
    return "".join(parts), "".join(singulars), "".join([*parts[:-1], *singulars[-1:]])


class Names:
    """Names to be found in texts, however many there are."""

    def __init__(self, names: Iterable[str]) -> None:
        self._of: dict[str, list[tuple[int, str, range]]] = {}  # spelling -> (place, name, lengths of its runs)
        lengths: set[int] = set()
        for place, name in enumerate(names):
            parts = words(name)
            # One word may be written as two, so runs a little shorter and longer than the name count.
            runs = range(max(1, len(parts) - 2), len(parts) + 3)
            for spelling in {*spellings(parts, list(map(singular, parts)))} - {""}:
                self._of.setdefault(spelling, []).append((place, name, runs))
                lengths |= set(runs)
        self._lengths = sorted(lengths)

    def said_in(self, text: str) -> str | None:
        """The first of the names that stands in the text as whole words; None when none does."""
        said = words(text)
        singulars = list(map(singular, said))
        found = [
            (place, name)
            for length in self._lengths
            for start in range(len(said) - length + 1)
            for spelling in spellings(said[start : start + length], singulars[start : start + length])
            for place, name, runs in self._of.get(spelling, ())
            if length in runs
        ]
        return min(found)[1] if found else None


def named_in(text: str, names: Iterable[str]) -> str | None:
    """The first of the names that stands in the text as whole words; None when none does."""
    return Names(names).said_in(text)


def other_names(name: str, text: str) -> list[str]:
    """Further names that the text gives the category: in brackets behind its name, and after "also known as"."""
    found = []
    named = r"[\s_-]+".join(map(re.escape, re.findall(r"\w+", name)))
    for listed in re.findall(rf"\b{named}s?\s*\(([^()]{{3,80}})\)", text, re.IGNORECASE):
        found += re.split(r",|;|\bor\b", listed)
    for listed in re.findall(
        r"\b(?:also|sometimes|formerly|commonly) (?:known|called|named)(?: as)?\b([^.;()]{3,120})", text
    ):
        for part in re.split(r",|\bor\b|\band\b", listed):
            if len(words(part)) > LONGEST_ALIAS_WORDS:
                break  # the sentence goes on with something else
            found.append(part)
    cleaned = [re.sub(r"^(?:the|an?|simply|as)\s+", "", one.strip(" \"'“”*_")) for one in found]
    # A short single word ("or", "USA") is too often something else.
    return [one for one in dict.fromkeys(cleaned) if len("".join(words(one))) > 4 and words(one) != words(name)]


def asked(question: str) -> frozenset[str]:
    """The words that decide what a question asks."""
    return frozenset(map(singular, words(question))) - EMPTY


class Asked:
    """A set of questions that must not be asked again."""

    ALIKE = 0.85  # shared words over all words of both, of those that decide what is asked

    def __init__(self, questions: Iterable[str] = ()):
        self.questions = list(dict.fromkeys(questions))
        self._keys = [asked(question) for question in self.questions]
        self._exact = {key: number for number, key in reversed(list(enumerate(self._keys)))}
        self._with_word: dict[str, list[int]] = {}
        for number, key in enumerate(self._keys):
            for word in key:
                self._with_word.setdefault(word, []).append(number)

    def __len__(self) -> int:
        return len(self.questions)

    def like(self, question: str) -> str | None:
        """A question of the set that asks the same in the same or nearly the same words; None when there is none."""
        key = asked(question)
        if key in self._exact:
            return self.questions[self._exact[key]]
        shared = Counter(number for word in key for number in self._with_word.get(word, ()))
        for number, count in shared.most_common(20):
            if count / (len(key) + len(self._keys[number]) - count) >= self.ALIKE:
                return self.questions[number]
        return None
