"""A text of one spelling as tokens: numbers, words and single signs, and how they touch one another."""

import re
from dataclasses import dataclass

from .signs import DASHES, MINUS, VULGAR

TOKEN = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{2,3}){0,8},\d{3}(?:\.\d+)?(?!\d)|\d{1,3}(?:'\d{3})+(?!\d)|\d{1,3}(?:_\d{3})+(?!\d)"
    r"|\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3}(?![^\W_]))?|\.\d+)"
    rf"|(?P<vulgar>[{VULGAR}])"
    r"|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)?)"
    r"|(?P<power>\*\*|\^)"
    r"|(?P<sign>\S)"
)
MINUS_SIGNS = {"-", MINUS, *DASHES}
ROOTS = {"√": 2, "∛": 3, "∜": 4}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


class Tokens:
    """What stands at a place, and beside it; a place outside the text holds nothing."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [Token(str(one.lastgroup), one[0], one.start(), one.end()) for one in TOKEN.finditer(text)]
        self.lower = [one.text.lower() for one in self.tokens]

    def word(self, place: int) -> str:
        return self.lower[place] if 0 <= place < len(self.lower) else ""

    def kind(self, place: int) -> str:
        return self.tokens[place].kind if 0 <= place < len(self.tokens) else ""

    def glued(self, place: int) -> bool:
        """Does the token touch the one before it?"""
        return 0 < place < len(self.tokens) and self.tokens[place - 1].end == self.tokens[place].start

    def skip(self, place: int, sign: str) -> int:
        return place + 1 if self.word(place) == sign else place

    def ends_number(self, place: int) -> bool:
        return self.kind(place) in ("number", "vulgar") or (place >= 0 and self.word(place) in (")", "%"))

    def begins_number(self, place: int) -> bool:
        return self.kind(place) in ("number", "vulgar") or self.word(place) in ROOTS
