"""What is shown on a terminal: text of data, replies, recipes and file names moves no cursor and hides nothing."""

import re
import sys
from typing import Any

# Control characters but tab and newline, what turns the direction of writing round, and halves of characters, which
# cannot be written at all. Joiners stay: scripts and emoji need them.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def printable(text: object) -> str:
    """The text with what a terminal would obey written as Python writes it: \\x1b, \\u202e."""
    return UNSAFE.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), str(text))


def say(*parts: object, file: Any = None, end: str = "\n") -> None:
    """As print, of what can be printed safely; at once, also into a log."""
    print(printable(" ".join(map(str, parts))), file=file or sys.stdout, end=end, flush=True)
