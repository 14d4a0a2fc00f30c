"""Texts as keys: FG-BMK's normal form, and a hash."""

import hashlib
import re
import unicodedata

MARKS = re.compile(r"[_\-,]+")


def normalise(text: str) -> str:
    """FG-BMK's normal form: each run of `_`, `-`, `,` becomes one blank; lower case; stripped."""
    return MARKS.sub(" ", text).lower().strip()


DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63\uff0d"), "-")
QUOTES = dict.fromkeys(map(ord, "‘’‚‛ʼʹ′`´＇"), "'") | dict.fromkeys(map(ord, "“”„‟″＂"), '"')
UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
NOT_TAKEN_APART = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"}


def folded(text: str) -> str:
    """The text without case, accents and width; one hyphen, one apostrophe, one blank; nothing that cannot be seen."""
    text = text.casefold()
    if text.isascii():
        return text.replace("`", "'")
    text = unicodedata.normalize("NFKD", text.translate(DASHES | QUOTES | UNSEEN))
    text = "".join(one for one in text if not unicodedata.combining(one)).casefold()
    return text.translate(str.maketrans(NOT_TAKEN_APART) | DASHES | QUOTES)


def text_hash(text: str) -> str:
    """32 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
