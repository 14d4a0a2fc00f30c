"""JSON objects in what a model writes: in fences, among words, with raw line breaks, extra commas, Python's quotes."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

MOST_STARTS = 200  # braces that are tried in one text
STRING = r'"(?:\\.|[^"\\])*+(?:"|\Z)'
# Outside of strings: a comma before a closing bracket, a comment to the end of the line.
TOO_MUCH = re.compile(rf"{STRING}|,(?=\s*+[}}\]])|//[^\n]*+", re.DOTALL)
QUOTE = re.compile(r"\s*'")
KEY = re.compile(r"\s*[\"'“]")
BACKSLASH = re.compile(r'\\(?P<good>["\\/bfnrt]|u[0-9a-fA-F]{4})?')


class Doubtful(ValueError):
    """It can be read in two ways."""


def objects_in(text: str) -> Iterator[list[dict]]:
    """The outermost objects of the text that are whole, in order: as it stands, then with each repair. Doubtful."""
    for form, read in ((text, _json), (repaired(text), _json), (text, _python)):
        if found := list(_objects(form, read)):
            yield found
    if inside := _quoted(text):
        yield from objects_in(inside)


def repaired(text: str) -> str:
    """Without what JSON does not allow though its meaning is plain."""
    begin = text.find("{")
    if begin < 0:
        return text
    body = TOO_MUCH.sub(lambda found: found[0] if found[0].startswith('"') else " ", text[begin:])
    return BACKSLASH.sub(lambda found: found[0] if found["good"] else "\\\\", body)


def _objects(text: str, read: Any) -> Iterator[dict]:
    end = 0
    for tried, found in enumerate(re.finditer(r"\{", text)):
        if found.start() < end:
            continue
        if tried == MOST_STARTS:
            return
        if (read_one := read(text, found.start())) is not None:
            value, end = read_one
            yield value
        elif KEY.match(text, found.end()):
            return  # an object that cannot be read: what looks like one inside it is a quotation


def _json(text: str, start: int) -> tuple[Any, int] | None:
    try:
        return DECODER.raw_decode(text, start)
    except Doubtful:
        raise
    except (ValueError, RecursionError):
        return None


def _python(text: str, start: int) -> tuple[Any, int] | None:
    """A dictionary as Python writes it, up to each closing brace until one makes it whole."""
    if not QUOTE.match(text, start + 1):
        return None
    for tried, found in enumerate(re.finditer(r"\}", text[start:])):
        if tried == 8:
            break
        try:
            value = ast.literal_eval(text[start : start + found.end()])
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        return (value, start + found.end()) if isinstance(value, dict) else None
    return None


def _quoted(text: str) -> str:
    """The text inside a JSON string, for an object that was written as one."""
    begin, end = text.find('"'), text.rfind('"')
    try:
        inside = json.loads(text[begin : end + 1], strict=False) if 0 <= begin < end else ""
    except (ValueError, RecursionError):
        return ""
    return inside if isinstance(inside, str) and "{" in inside else ""


def _once(pairs: list[tuple[str, Any]]) -> dict:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if found.setdefault(key, value) != value:
            raise Doubtful(f"{key!r} is there twice, with different values")
    return found


DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_once)  # raw line breaks in strings are allowed
