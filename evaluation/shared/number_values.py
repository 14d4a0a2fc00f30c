"""What number begins at a token: digits, words, fractions, powers and roots, with the magnitude behind them."""

import math
import re
from fractions import Fraction

from .number_tokens import MINUS_SIGNS, ROOTS, Tokens
from .number_words import FRACTION_WORDS, MAGNITUDES, POWER_WORDS, small_fraction, word_number

CURRENCY = "$€£¥₹"
HUGE = 10**15  # beyond it the value of a power is not worked out
MOST_DIGITS = 400


class Values(Tokens):
    def value_at(self, place: int) -> tuple[float | Fraction, str | None, int, bool] | None:
        """(value, digits as written or None, the token behind it, is it doubtful) of a number that begins here."""
        root, inside = self.root_at(place)
        if root:
            found = self.atom(self.skip(inside, "("))
            if found is None:
                return None
            value, _, after = found
            after = self.skip(after, ")") if self.word(inside) == "(" else after
            worked, doubtful = root_of(value, root)
            return (*self.raised(worked, None, after), doubtful) if not doubtful else (worked, None, after, True)
        found = self.atom(place)
        if found is None:
            return None
        value, literal, after = found
        factor, inside = self.root_at(after)
        if factor and (self.glued(after) or self.word(after) in ROOTS):
            under = self.value_at(after)
            if under is not None and abs(value) < HUGE:
                return float(value) * float(under[0]), None, under[2], under[3]
        return (*self.raised(value, literal, after), False)

    def root_at(self, place: int) -> tuple[int, int]:
        """(which root, the token behind its name); (0, place): none."""
        words = self.lower[place : place + 3]
        if not words:
            return 0, place
        if words[0] in ROOTS:
            return ROOTS[words[0]], place + 1
        if words[0] == "sqrt":
            return 2, place + 1
        if words[1:] == ["root", "of"] and words[0] in ("square", "cube"):
            return (2 if words[0] == "square" else 3), place + 3
        return 0, place

    def atom(self, place: int) -> tuple[float | Fraction, str | None, int] | None:
        """Digits, a fraction, a mixed number, or words, with the magnitude behind them."""
        if place >= len(self.tokens):
            return None
        token = self.tokens[place]
        if token.kind == "vulgar":
            return self.with_magnitude(small_fraction(token.text), None, place + 1)
        if token.kind == "word":
            found = word_number(self.tokens, self.lower, place)
            return None if found is None else self.with_magnitude(found[0], None, found[1])
        if token.kind != "number":
            return None
        digits = re.sub(r"[,'_]", "", token.text)[:MOST_DIGITS]
        value, after = Fraction(digits) if "e" not in digits.lower() else small_power_of_ten(digits), place + 1
        literal: str | None = digits
        if self.kind(after) == "vulgar" and value == int(value):
            return self.with_magnitude(value + small_fraction(self.tokens[after].text), None, after + 1)
        if (divided := self.over(place)) is not None:
            return self.with_magnitude(divided, None, place + 3)
        if (divided := self.over(after)) is not None and value == int(value) and 0 < divided < 1:
            return self.with_magnitude(value + divided, None, after + 3)
        if self.lower[after : after + 3] in (["and", "a", "half"], ["and", "a", "quarter"]):
            return self.with_magnitude(value + FRACTION_WORDS[self.lower[after + 2]], None, after + 3)
        if self.word(after) in FRACTION_WORDS and value == int(value) and self.word(after).endswith(("s", "half")):
            return self.with_magnitude(value * FRACTION_WORDS[self.word(after)], None, after + 1)
        return self.with_magnitude(value, literal, after)

    def over(self, place: int) -> Fraction | None:
        """3/4, where no other slash makes a date of it."""
        three = self.tokens[place : place + 3]
        if [one.kind for one in three] != ["number", "sign", "number"] or three[1].text != "/":
            return None
        if self.word(place + 3) == "/" or self.word(place - 1) == "/" or not (three[0].text + three[2].text).isdigit():
            return None
        return Fraction(int(three[0].text), int(three[2].text)) if int(three[2].text) else None

    def with_magnitude(
        self, value: float | Fraction, literal: str | None, after: int
    ) -> tuple[float | Fraction, str | None, int]:
        while (times := self.magnitude(after)) is not None and abs(value) < HUGE:
            value, literal, after = value * times, None, after + 1
        ten = self.lower[after : after + 3]
        if len(ten) == 3 and ten[0] in ("×", "x", "*", "·") and ten[1] == "10" and ten[2] in ("^", "**"):
            power, behind = self.exponent(after + 3)
            if power is not None and abs(power) <= 18:
                return value * Fraction(10) ** int(power), None, behind
        return value, literal, after

    def magnitude(self, place: int) -> int | None:
        word = self.word(place)
        if word in MAGNITUDES:
            return MAGNITUDES[word]
        if word == "k" and self.glued(place) and self.tokens[place].text == "k":
            return 1000
        # "$5M": a letter is a magnitude where money is counted
        money = place >= 2 and self.word(place - 2) in CURRENCY and bool(self.word(place - 2))
        return {"k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}.get(word) if money and self.glued(place) else None

    def raised(self, value: float | Fraction, literal: str | None, after: int) -> tuple:
        """The power of the value that stands behind it."""
        power, behind = None, after
        if self.kind(after) == "power":
            power, behind = self.exponent(after + 1)
        elif self.word(after) in POWER_WORDS:
            power, behind = POWER_WORDS[self.word(after)], after + 1
        elif self.lower[after : after + 4] == ["to", "the", "power", "of"]:
            power, behind = self.exponent(after + 4)
        if power is None:
            return value, literal, after
        if abs(value) > HUGE:
            return float("nan"), None, behind
        big = abs(power) * math.log10(max(abs(float(value)), 1.0)) if abs(power) <= 60 else 99
        if big > 15 or (value == 0 and power < 0):
            return float("nan"), None, behind
        return (value ** int(power) if power == int(power) else float(value) ** float(power)), None, behind

    def exponent(self, place: int) -> tuple[Fraction | None, int]:
        bracket = self.word(place) == "("
        place += bracket
        negative = self.word(place) in MINUS_SIGNS
        place += negative
        if self.kind(place) != "number" or not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", self.tokens[place].text):
            return None, place
        power = Fraction(self.tokens[place].text) * (-1 if negative else 1)
        return power, place + 1 + (bracket and self.word(place + 1) == ")")


def small_power_of_ten(digits: str) -> Fraction:
    """1.5e3; one too large to be meant is infinite in float, and doubtful there."""
    mantissa, _, power = digits.lower().partition("e")
    return Fraction(mantissa) * Fraction(10) ** max(-330, min(330, int(power)))


def root_of(value: float | Fraction, root: int) -> tuple[float | Fraction, bool]:
    """(the root, is it none)."""
    if value < 0 or value > HUGE:
        return float("nan"), True
    near = round(float(value) ** (1 / root))
    return (Fraction(near), False) if near**root == value else (float(value) ** (1 / root), False)
