"""Rows of a JSON array or of JSON lines, one at a time, whatever the size of the file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..shared.errors import UserError

BLOCK = 1 << 20  # characters read at a time
TAIL = 16  # characters at the end of a block in which a word, number or escape may be cut
BLANKS = " \t\r\n"


def read_file(path: Path) -> Iterator[dict]:
    """The file's rows: an array's or, where it does not begin with a bracket, one a line.

    UserError naming the row or line when the file is not there, empty, cut off, no text, or holds anything but objects.
    """
    if not path.is_file():
        raise UserError(f"no file {path}; --file is relative to --root")
    number = 0
    try:
        # A byte order mark is no part of the text. Rows may hold U+2028, so only newlines end lines.
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            first = first_character(file)
            if not first:
                raise UserError(f"{path} is empty")
            file.seek(0)
            rows = rows_of_array if first == "[" else rows_of_lines
            for number, row in enumerate(rows(path, file), 1):  # noqa: B007 - the error below names the row
                yield row
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not text in UTF-8, within the megabyte after row {number} ({error.reason})"
        ) from None


def first_character(file: IO[str]) -> str:
    """The first character that is not blank; empty when there is none."""
    while block := file.read(4096):
        if found := block.lstrip(BLANKS):
            return found[0]
    return ""


def rows_of_array(path: Path, file: IO[str]) -> Iterator[dict]:
    decode = json.JSONDecoder().raw_decode
    text = file.read(BLOCK).lstrip(BLANKS)
    place, number, size, separator = 1, 0, BLOCK, ""
    while True:
        while place < len(text) and text[place] in BLANKS:
            place += 1
        found = text[place : place + 1]
        try:
            if found == separator == ",":
                separator, place = "", place + 1
                continue
            if found == "]" and (separator or not number):
                break
            if separator and found:
                raise UserError(f"{path}: {found!r} follows row {number}, where a comma or ] belongs")
            row, end = decode(text, place)
        except json.JSONDecodeError as error:
            if not (error.msg.startswith("Unterminated string") or error.pos > len(text) - TAIL):
                raise UserError(f"{path}: row {number + 1} is broken ({error.msg}: {near(text, error.pos)})") from None
            more = file.read(size)
            if not more:
                raise UserError(f"{path}: row {number + 1} is broken or the file is cut off ({error.msg})") from None
            # Rows longer than a block are rare; twice as much each time keeps them from being read again and again.
            text, place, size = text[place:] + more, 0, size * 2
            continue
        except RecursionError:
            raise UserError(f"{path}: row {number + 1} is nested too deeply to be a conversation") from None
        number += 1
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {number}: a row must be a JSON object, not {type(row).__name__}")
        place, size, separator = end, BLOCK, ","
        yield row
    rest = text[place + 1 :].strip(BLANKS) or first_character(file)
    if rest:
        raise UserError(f"{path}: text follows the end of the array after row {number}: {rest[:40]!r}")


def near(text: str, place: int) -> str:
    return repr(text[max(0, place - 20) : place + 20])


def rows_of_lines(path: Path, file: IO[str]) -> Iterator[dict]:
    for number, line in enumerate(file, 1):
        if not line.strip(BLANKS):
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            hint = "; write an array of rows, or each row in a line of its own" if line.strip(BLANKS) == "{" else ""
            raise UserError(f"{path}, line {number}: not JSON ({error.msg}), or the file is cut off{hint}") from None
        except RecursionError:
            raise UserError(f"{path}, line {number}: nested too deeply to be a conversation") from None
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: a row must be a JSON object, not {type(row).__name__}")
        yield row
