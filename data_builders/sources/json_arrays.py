"""The objects of a JSON file that is too large to hold: `{"images": [{...}, ...], "annotations": [...], ...}`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..shared.errors import UserError

CHUNK = 1 << 22  # characters read at once
LONGEST = 1 << 24  # of one element; where none ends after that many characters, the file is at fault

BETWEEN = re.compile(r"[\s,:]*")
AFTER = re.compile(r"[\s,\]}]")


class Text:
    """A file's text seen through a window that moves on."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.file = open(path, encoding="utf-8-sig")  # noqa: SIM115 - closed by json_arrays
        except FileNotFoundError:
            raise UserError(f"no file {path}; is the root the data set's own folder?") from None
        self.window, self.place, self.dropped, self.ended = "", 0, 0, False
        self.decode = json.JSONDecoder().raw_decode

    def more(self) -> None:
        """Read on. UserError at the file's end."""
        if self.ended:
            raise UserError(f"{self.path} is not JSON: it ends in the middle, after {self.offset:,} characters")
        if len(self.window) - self.place > LONGEST:
            raise UserError(f"{self.path} is not JSON as expected, from character {self.offset:,} on")
        try:
            chunk = self.file.read(CHUNK)
        except UnicodeDecodeError as error:
            raise UserError(f"{self.path} is not text: {error}") from None
        self.ended = not chunk
        self.dropped += self.place
        self.window, self.place = self.window[self.place :] + chunk, 0

    @property
    def offset(self) -> int:
        return self.dropped + self.place

    def peek(self) -> str:
        """The next character that is neither blank nor between two elements."""
        while True:
            self.place = BETWEEN.match(self.window, self.place).end()
            if self.place < len(self.window):
                return self.window[self.place]
            self.more()

    def value(self) -> Any:
        """The next element, whole."""
        self.peek()
        while True:
            try:
                found, end = self.decode(self.window, self.place)
            except json.JSONDecodeError as error:
                # Cut off by the window's end, or wrong: only reading on tells, except far from that end.
                if error.pos < len(self.window) - 64 and not error.msg.startswith("Unterminated"):
                    raise UserError(
                        f"{self.path} is not JSON: {error.msg}, at character {self.dropped + error.pos:,}"
                    ) from None
                self.more()
                continue
            # A number may go on behind the window's end, where what was found of it is one already ("1.5" of "1.5e3").
            if self.window[end - 1] not in '}]"' and not AFTER.match(self.window, end):
                self.more()
                continue
            self.place = end
            return found


def json_arrays(path: Path) -> Iterator[tuple[str, Any]]:
    """(key, element) for every element of every array of the object in `path`; values that are no arrays whole.

    Holds a few megabytes of the file at a time. UserError names the file and the character where it is no JSON.
    """
    text = Text(path)
    with text.file:
        if text.peek() != "{":
            raise UserError(f"{path}: expected a JSON object of arrays, {{...}}; it begins with {text.peek()!r}")
        text.place += 1
        while text.peek() != "}":
            key = text.value()
            if text.peek() != "[":
                yield key, text.value()
                continue
            text.place += 1
            while text.peek() != "]":
                yield key, text.value()
            text.place += 1
