"""The elements of a JSON text that is too large to hold, one at a time; a few megabytes of it are in memory."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .errors import UserError

BLOCK = 1 << 20  # characters read at a time
LONGEST = 1 << 26  # of one element; where none ends after that many characters, the file is at fault
TAIL = 16  # characters at the end of a block in which a word, number or escape may be cut
BLANKS = re.compile(r"[ \t\r\n]*")
AFTER = re.compile(r"[ \t\r\n,\]}]")
DECODE = json.JSONDecoder().raw_decode


class JsonStream:
    """An open file's text seen through a window that moves on. What is wrong is a UserError that names the row."""

    def __init__(self, path: Path, file: IO[str]):
        self.path, self.file = path, file
        self.window, self.place, self.size, self.number = "", 0, BLOCK, 0

    def peek(self) -> str:
        """The next character that is not blank; "" at the file's end."""
        while True:
            self.place = BLANKS.match(self.window, self.place).end()
            if self.place < len(self.window):
                return self.window[self.place]
            if not self._more():
                return ""

    def skip(self, wanted: str) -> None:
        """Go behind the next character, which must be that one."""
        if (found := self.peek()) != wanted:
            raise UserError(f"{self.path}: after row {self.number} stands {found!r}, where {wanted} belongs")
        self.place += 1

    def array(self) -> Iterator[Any]:
        """The elements of the array that begins here, which rows are counted in."""
        self.skip("[")
        self.number = 0
        while self.number or self.peek() != "]":
            yield self.value()
            self.number += 1
            if (found := self.peek()) == "]":
                break
            if not found:
                raise self._fault("is broken or the file is cut off")
            if found != ",":
                raise UserError(f"{self.path}: {found!r} follows row {self.number}, where a comma or ] belongs")
            self.place += 1
        self.place += 1

    def value(self) -> Any:
        """The next element, whole."""
        self.peek()
        while True:
            try:
                found, end = DECODE(self.window, self.place)
            except json.JSONDecodeError as error:
                # Cut off by the window's end, or wrong: only reading on tells, except far from that end.
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self.window) - TAIL
                if not cut or len(self.window) - self.place > LONGEST:
                    near = self.window[max(0, error.pos - 20) : error.pos + 20]
                    raise self._fault(f"is broken ({error.msg}: {near!r})") from None
                why = error.msg
            except RecursionError:
                raise self._fault("is nested too deeply") from None
            else:
                # A number may go on behind the window's end, where what was found of it is one already ("1" of "1e3").
                if self.window[end - 1] in '}]"' or AFTER.match(self.window, end):
                    self.place, self.size = end, BLOCK
                    return found
                why = "a number without an end"
            if not self._more():
                raise self._fault(f"is broken or the file is cut off ({why})")
            # Elements longer than a block are rare; twice as much each time keeps them from being read again and again.
            self.size *= 2

    def _more(self) -> bool:
        chunk = self.file.read(self.size)
        self.window, self.place = self.window[self.place :] + chunk, 0
        return bool(chunk)

    def _fault(self, text: str) -> UserError:
        return UserError(f"{self.path}: row {self.number + 1} {text}")


def json_arrays(path: Path) -> Iterator[tuple[str, Any]]:
    """(key, element) for every element of every array of the object in `path`; values that are no arrays whole.

    UserError names the file where it is not there, no text, or no such object.
    """
    if not path.is_file():
        raise UserError(f"no file {path}; is the root the data set's own folder?")
    try:
        with open(path, encoding="utf-8-sig") as file:
            stream = JsonStream(path, file)
            if (found := stream.peek()) != "{":
                raise UserError(f"{path}: expected a JSON object of arrays, {{...}}; it begins with {found!r}")
            stream.skip("{")
            while stream.peek() != "}":
                key = stream.value()
                stream.skip(":")
                if stream.peek() == "[":
                    yield from ((key, element) for element in stream.array())
                else:
                    yield key, stream.value()
                if stream.peek() != "}":
                    stream.skip(",")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text: {error}") from None
