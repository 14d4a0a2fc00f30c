"""Sentences on a terminal break between words: no number, name or path is cut in two by its edge."""

import shutil
import sys
import textwrap

from .terminal import printable, say


def terminal_width() -> int | None:
    """Columns of the terminal that standard output is; None in a log or a pipe, where a line stays one line."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def wrapped(text: str, width: int | None, hang: int = 0) -> str:
    """The text in lines of at most `width` columns, later ones `hang` columns in. A word longer than that stays whole,
    so that a path can be copied. None: as it is."""
    if width is None or len(text) <= width:
        return text
    return "\n".join(
        textwrap.fill(
            line,
            max(width, hang + 20),
            subsequent_indent=" " * hang,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
            replace_whitespace=False,
        )
        for line in text.split("\n")
    )


def say_wrapped(text: str, hang: int = 2) -> None:
    """As `say`, on a terminal in whole words."""
    say(wrapped(printable(text), terminal_width(), hang))
