"""Numbers in a sentence as the sentence means them: sign, power, root, fraction, magnitude, words, and what is denied.

What a reader could take for two numbers (a sum, a range, a product with a letter) is `doubtful`: it is there, but its
value is not told. English words only.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from .number_tokens import MINUS_SIGNS
from .number_values import Values
from .signs import MINUS, one_spelling

OPERATORS = {"+", "*", "/", "×", "·", "÷", "∙", "⋅", "±", ":", "~", *MINUS_SIGNS}
OPERATOR_WORDS = {"plus", "minus", "times", "over", "divided", "multiplied", "mod", "modulo"}
LIMITS = {"<", ">", "≤", "≥", "≠"}
LIMIT_WORDS = {"than", "under", "below", "above", "over", "least", "most", "beyond", "between", "exceeding", "until"}
DENIERS = {"not", "never", "neither", "nor", "isn't", "isnt", "aren't", "wasn't", "cannot", "can't", "except", "unlike"}
DENYING_PAIRS = {("rather", "than"), ("other", "than"), ("instead", "of"), ("different", "from")}
BETWEEN_WORDS = """
equal equals to be been exactly a an the just as many much is are was quite really appear appears seem seems look looks
like think believe say see count have contain show there it that this any of with in i would could
"""
BETWEEN_DENIAL = frozenset(BETWEEN_WORDS.split())
DENIED_BY = ("not", "wrong", "incorrect", "false", "never", "impossible")  # "5 is not the answer"
OF_WHICH = {"root", "square", "cube", "log", "logarithm", "factorial", "power", "reciprocal", "inverse", "negation"}
TIMES = {"twice", "double", "triple", "log", "ln", "sin", "cos", "tan", "exp", "|"}
OPEN_ENDED = {"or": ("more", "less", "fewer", "greater", "so", "higher", "lower", "above"), "at": ("least", "most")}
LARGE = {"K", "M", "B", "T"}  # kelvin or thousand, metre or million
BEFORE_SIGN = {"is", "are", "be", "was", "equals", "equal", "to", "of", "get", "gives", "answer", "value", "result"}
UNIT_WORDS = """
mm cm dm m km in inch inches ft foot feet yd mi mg g kg t oz lb lbs ml cl dl l s sec ms min h hr hrs hz khz mhz ghz v w
kw mw kwh a ma n j kj kcal cal pa kpa mpa mol px pt kb mb gb tb rpm mph kmh kph kn kt c f k deg st nd rd th yr yrs y d
pm am bp ppm db ha
"""
UNITS = frozenset(UNIT_WORDS.split())


@dataclass(frozen=True)
class Numeral:
    """One number. `literal`: its digits as written, without thousands' separators; None where it was worked out."""

    value: float
    literal: str | None
    start: int  # of its tokens, in the text of one spelling
    end: int
    denied: bool = False  # "not 5"
    doubtful: bool = False
    percent: bool = False
    unit: str = ""  # the word behind it

    @property
    def whole(self) -> bool:
        return math.isfinite(self.value) and self.value == int(self.value)


def read_numerals(text: str) -> list[Numeral]:
    """The numbers of the text in their order, but for designations (A340, H2). Never raises."""
    return numerals_in(one_spelling(text))


def numerals_in(spelled: str) -> list[Numeral]:
    """The same of a text of one spelling (`signs.one_spelling`), in which they stand at `start`."""
    return list(Reader(spelled).numerals())


class Reader(Values):
    def numerals(self) -> Iterator[Numeral]:
        place = 0
        while place < len(self.tokens):
            found = self.value_at(place)
            if found is None:
                place += 1
                continue
            value, literal, after, doubtful = found
            if not self.designation(place):
                yield self.with_surroundings(place, after, value, literal, doubtful)
            place = after

    def with_surroundings(
        self, place: int, after: int, value: float | Fraction, literal: str | None, doubtful: bool
    ) -> Numeral:
        before, negative, odd = self.sign(place)
        doubtful = doubtful or odd or self.doubt_before(before) or self.doubt_after(after)
        value = float(value) if abs(value) < Fraction(10) ** 300 else math.inf
        value, literal = (-value, literal and f"-{literal}") if negative else (value, literal)
        percent = self.word(after) in ("%", "percent", "percentage") or self.lower[after : after + 2] == ["per", "cent"]
        return Numeral(
            value=value,
            literal=literal,
            start=self.tokens[place].start,
            end=self.tokens[after - 1].end,
            denied=self.denied(before) or self.denied_behind(after),
            doubtful=doubtful or not math.isfinite(value),
            percent=percent,
            unit=self.unit(after),
        )

    def sign(self, place: int) -> tuple[int, bool, bool]:
        """(the first token of the number with its sign, is it negative, is the sign in doubt)."""
        mark, ahead = self.word(place - 1), self.word(place - 2)
        if mark in ("minus", "negative"):
            number = self.kind(place - 2) in ("number", "vulgar")
            return (place, False, True) if number and mark == "minus" else (place - 1, True, False)
        if mark == "+" and self.kind(place - 2) not in ("number", "vulgar"):
            return place - 1, False, False
        if mark not in MINUS_SIGNS or place < 1:
            return place, False, False
        if self.kind(place - 2) in ("number", "vulgar") or ahead in (")", "]", "%"):
            return place, False, True  # a difference or a range
        if self.glued(place - 1) and self.kind(place - 2) == "word":
            return place, False, True  # x-5
        if self.glued(place) or mark == MINUS:
            return place - 1, True, False
        if ahead in BEFORE_SIGN or ahead in ("=", "(", "$"):
            return place - 1, True, False
        return place, False, True  # a dash in the sentence, or a list's mark

    def doubt_before(self, place: int) -> bool:
        """Is it part of something longer that begins before it?"""
        before = self.word(place - 1)
        if place < 1:
            return False
        if self.glued(place) and self.kind(place - 1) in ("number", "vulgar"):
            return True
        if before in LIMITS or (before == "=" and self.word(place - 2) in LIMITS):
            return True
        if before in LIMIT_WORDS and not self.denied(place):
            return True
        if before == "to" and self.word(place - 2) == "up":
            return True
        if before in TIMES or (
            before == "of" and {self.word(place - 2), self.word(place - 3)} & {*OF_WHICH, "absolute"}
        ):
            return True
        if before in OPERATORS | OPERATOR_WORDS | {"by", "x", ","} and self.ends_number(place - 2):
            return before != "," or (self.glued(place) and self.glued(place - 1))
        return self.kind(place - 1) == "power"

    def doubt_after(self, place: int) -> bool:
        """Does something longer go on behind it?"""
        if self.word(place) == "(":
            return self.glued(place) and self.begins_number(place + 1)  # 2(3)
        while self.word(place) == ")":
            place += 1
        word, kind = self.word(place), self.kind(place)
        if kind in ("number", "vulgar", "power"):
            return kind == "power" or self.glued(place)
        if kind == "word":
            if self.tokens[place].text in LARGE or (self.glued(place) and word not in UNITS):
                return True
            if self.word(place + 1) in OPEN_ENDED.get(word, ()):
                return True
            if (
                word in OPERATOR_WORDS
                or word in ("pi", "x", "factorial")
                or (len(word) == 1 and word not in (*UNITS, "i"))
            ):
                return True
            if word in ("of", "below") and (self.begins_number(place + 1) or self.word(place + 1) == "zero"):
                return word == "below" or self.kind(place - 1) != "number"
            return word == "degrees" and self.lower[place + 1 : place + 3] == ["below", "zero"]
        if word in OPERATORS or word in LIMITS:
            return self.begins_number(place + 1) or (word in ("+", "±") and self.glued(place))
        if word == "," and self.glued(place):
            return self.glued(place + 1) and self.kind(place + 1) == "number"
        return word == "‰"

    def denied(self, place: int) -> bool:
        """ "not 5", "isn't equal to 5", "rather than 5"."""
        at = place - 1
        if (self.word(at - 1), self.word(at)) in DENYING_PAIRS:
            return True
        for _ in range(6):
            if at < 0 or self.kind(at) != "word":
                return False
            if self.word(at) in DENIERS or self.word(at).endswith("n't"):
                return True
            if self.word(at) not in BETWEEN_DENIAL:
                return False
            at -= 1
        return False

    def denied_behind(self, place: int) -> bool:
        """ "5 is not the answer", "5 cm would be wrong"."""
        for at in (place, place + 1):
            if self.kind(at) != "word":
                return False
            if self.word(at) in ("isn't", "wasn't", "cannot", "can't"):
                return True
            if self.word(at) in ("is", "was", "would", "are"):
                return any(self.kind(one) == "word" and self.word(one) in DENIED_BY for one in (at + 1, at + 2))
        return False

    def designation(self, place: int) -> bool:
        """A340, H2: a letter touches it from the left."""
        return self.tokens[place].kind == "number" and self.kind(place - 1) == "word" and self.glued(place)

    def unit(self, place: int) -> str:
        if self.word(place) in MINUS_SIGNS and self.glued(place) and self.glued(place + 1):
            place += 1  # 3-foot
        if self.kind(place) != "word":
            return ""
        per = self.lower[place : place + 3]
        return "km/h" if per == ["km", "/", "h"] else self.word(place)
