"""How the report writes numbers and text that somebody else wrote (a model, a data set, a recipe)."""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from markupsafe import Markup

MINUS = "−"
_EXACT: ContextVar[bool] = ContextVar("exact", default=False)


@contextmanager
def exact_numbers() -> Iterator[None]:
    """Within it every number is written with all its digits."""
    before = _EXACT.set(True)
    try:
        yield
    finally:
        _EXACT.reset(before)


def _all_digits(value: float) -> str:
    return np.format_float_positional(value, trim="-")


def visible(value: object) -> object:
    """Text with control, bidi and invisible characters written out, as ⟨U+202E⟩; other values as they are.

    jinja2 calls it on every value a template prints, before escaping, so that no text can forget it.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or (value.isascii() and value.isprintable()):
        return value
    return "".join(_shown(letter) for letter in value)


def _shown(letter: str) -> str:
    if letter in "\n\t":
        return letter
    # Control, format (bidi, zero width), surrogate, private use, line and paragraph separators.
    hidden = unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return f"⟨U+{ord(letter):04X}⟩" if hidden else letter


def clip(text: str, limit: int = 420) -> str:
    """At most `limit` letters, saying how many were left out."""
    return text if len(text) <= limit else f"{text[:limit]}… (+{len(text) - limit:,} characters)"


def breakable(text: str) -> Markup:
    """A name that may go on in a new line behind each of its parts: drawn/presence:yes_ratio."""
    return Markup("").join(
        part if place % 2 == 0 else Markup("{}<wbr>").format(part)
        for place, part in enumerate(re.split(r"([/:_])", str(visible(text))))
    )


def num(value: float | None, digits: int = 1) -> str:
    """12.34 -> 12.3; a missing number is a dash; minus is a minus sign and never stands before zero."""
    if value is None or value != value:
        return "–"
    text = _all_digits(value) if _EXACT.get() else f"{value:,.{digits}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", MINUS)


def short_interval(score: dict, digits: int = 1) -> str:
    """low–high of a score in percent, in as few letters as it needs: 68–78; 73.1–73.9 where it is under 2 points."""
    low, high = score.get("low"), score.get("high")
    if digits == 1 and low is not None and high is not None and high - low >= 2:
        digits = 0
    if _EXACT.get():
        return f"{num(low)}–{num(high)}"
    return "–".join(num(end, digits).removesuffix(".0") for end in (low, high))


def signed(value: float | None, digits: int = 1) -> str:
    """num with its sign always: +12.3, −4.5, ±0.0."""
    text = num(value, digits)
    if text == "–" or text.startswith(MINUS):
        return text
    return ("+" if text.strip("0.,") else "±") + text


def count(value: object) -> str:
    """Whole numbers with separators; anything else as it is, and a dash for nothing."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def p_value(value: float | None) -> str:
    """0.0312 -> 0.031; a very small one as a bound."""
    if value is None:
        return "–"
    if _EXACT.get():
        return repr(float(value))
    return "< 0.001" if value < 0.001 else f"{value:.2g}" if value < 0.0995 else f"{value:.2f}"
