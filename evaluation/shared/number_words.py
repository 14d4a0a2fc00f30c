"""English words for numbers: "minus twenty-one", "three quarters", "half a million"."""

import unicodedata
from collections.abc import Sequence
from fractions import Fraction

SMALL_WORDS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
"""
TEN_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
SMALL = {word: value for value, word in enumerate(SMALL_WORDS.split())}
TENS = {word: 10 * value for value, word in enumerate(TEN_WORDS.split(), 2)}
MAGNITUDES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
MAGNITUDES |= {"mn": 10**6, "mln": 10**6, "bn": 10**9, "lakh": 10**5, "crore": 10**7}
MAGNITUDES |= {"millions": 10**6, "billions": 10**9}
PARTS = "third fourth fifth sixth seventh eighth ninth tenth"
FRACTION_WORDS = {word: Fraction(1, part) for part, word in enumerate(PARTS.split(), 3)}
FRACTION_WORDS |= {"hundredth": Fraction(1, 100), "thousandth": Fraction(1, 1000), "millionth": Fraction(1, 10**6)}
FRACTION_WORDS |= {f"{word}s": value for word, value in FRACTION_WORDS.items()}
FRACTION_WORDS |= {"half": Fraction(1, 2), "halves": Fraction(1, 2)}
FRACTION_WORDS |= {"quarter": Fraction(1, 4), "quarters": Fraction(1, 4)}
POWER_WORDS = {"squared": 2, "cubed": 3}
ENDS_ANSWER = {"", *".,;!?)]\"'%", "percent", "per", "unit", "square", "centimeter", "meter"}
BEFORE_ONE = {
    "is",
    "are",
    "be",
    "only",
    "exactly",
    "equals",
    "answer",
    ":",
    "=",
    "",
    "minus",
    "negative",
    "not",
    "just",
}


def small_fraction(sign: str) -> Fraction:
    """The value of ½ and its like."""
    return Fraction(unicodedata.numeric(sign)).limit_denominator(10)


def word_number(tokens: Sequence, lower: Sequence[str], place: int) -> tuple[Fraction, int] | None:
    """(value, the place behind it) of a number in words that begins at `place`."""

    def word(at: int) -> str:
        return lower[at] if 0 <= at < len(lower) else ""

    first = word(place)
    if first in ("a", "an", "one") and word(place + 1) in FRACTION_WORDS:
        plain = word(place + 1) in ("half", "quarter") or word(place + 2) in ENDS_ANSWER | {"of"}
        return (FRACTION_WORDS[word(place + 1)], place + 2) if plain else None
    if first == "half":
        return Fraction(1, 2), place + (2 if word(place + 1) == "a" and word(place + 2) in MAGNITUDES else 1)
    if first == "one" and word(place + 1) not in {*MAGNITUDES, "point", *FRACTION_WORDS}:
        alone = word(place + 1) in ENDS_ANSWER and word(place - 1) in BEFORE_ONE
        return (Fraction(1), place + 1) if alone else None
    total, after = below_thousand(word, place)
    if total is None:
        return None
    whole = Fraction(total)
    while word(after) in ("thousand", "million", "billion"):
        times = MAGNITUDES[word(after)]
        rest, behind = below_thousand(word, after + (2 if word(after + 1) == "and" else 1))
        if rest is None:
            return whole, after  # the magnitude is read behind it
        if word(behind) in MAGNITUDES and MAGNITUDES[word(behind)] < times:
            whole, after = whole * times + rest * MAGNITUDES[word(behind)], behind + 1
            tail, behind = below_thousand(word, after + (word(after) == "and"))
            return (whole + tail, behind) if tail is not None else (whole, after)
        return whole * times + rest, behind
    if [word(after), word(after + 1)] == ["and", "a"] and word(after + 2) in ("half", "quarter"):
        return whole + FRACTION_WORDS[word(after + 2)], after + 3
    joint = after + 1 if word(after) == "-" else after
    if word(joint) in FRACTION_WORDS and (word(joint).endswith("s") or total == 1):
        return whole * FRACTION_WORDS[word(joint)], joint + 1
    if word(after) == "point" and word(after + 1) in SMALL and SMALL[word(after + 1)] < 10:
        digits, after = "", after + 1
        while word(after) in SMALL and SMALL[word(after)] < 10:
            digits, after = digits + str(SMALL[word(after)]), after + 1
        return Fraction(f"{total}.{digits}"), after
    return whole, after


def below_thousand(word, place: int) -> tuple[int | None, int]:
    """One to three digits in words: "two hundred and five", "twenty-one"."""
    value, after = below_hundred(word, place)
    if value is None or word(after) != "hundred":
        return value, after
    value, after = value * 100, after + 1
    rest, behind = below_hundred(word, after + (word(after) == "and"))
    return (value + rest, behind) if rest is not None else (value, after)


def below_hundred(word, place: int) -> tuple[int | None, int]:
    if word(place) in TENS:
        value, after = TENS[word(place)], place + 1
        unit = after + 1 if word(after) == "-" else after
        if 0 < SMALL.get(word(unit), 0) < 10:
            return value + SMALL[word(unit)], unit + 1
        return value, after
    if word(place) == "a" and word(place + 1) in MAGNITUDES:
        return 1, place + 1
    return (SMALL[word(place)], place + 1) if word(place) in SMALL else (None, place)
