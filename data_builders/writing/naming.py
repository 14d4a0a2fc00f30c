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


def named_in(text: str, names: Iterable[str]) -> str | None:
    """The first of the names that stands in the text as whole words; None when none does."""
    said = words(text)
    singulars = list(map(singular, said))
    runs: dict[int, set[str]] = {}
    for name in names:
        parts = words(name)
        wanted = set(spellings(parts, list(map(singular, parts)))) - {""}
        # One word may be written as two, so runs a little shorter and longer than the name count.
        for length in range(max(1, len(parts) - 2), len(parts) + 3):
            if length not in runs:
                starts = range(len(said) - length + 1)
                runs[length] = {
                    one for i in starts for one in spellings(said[i : i + length], singulars[i : i + length])
                }
            if wanted & runs[length]:
                return name
    return None


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
