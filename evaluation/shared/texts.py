"""Texts as keys: FG-BMK's normal form, and a hash."""

import hashlib
import re

MARKS = re.compile(r"[_\-,]+")


def normalise(text: str) -> str:
    """FG-BMK's normal form: each run of `_`, `-`, `,` becomes one blank; lower case; stripped."""
    return MARKS.sub(" ", text).lower().strip()


def text_hash(text: str) -> str:
    """32 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
