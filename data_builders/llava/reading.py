"""Rows of a JSON array or of JSON lines, one at a time, whatever the size of the file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..shared.errors import UserError
from ..shared.json_stream import JsonStream

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
            stream = JsonStream(path, file)
            if not (first := stream.peek()):
                raise UserError(f"{path} is empty")
            if first != "[":
                file.seek(0)
            rows = rows_of_array(path, stream) if first == "[" else rows_of_lines(path, file)
            for number, row in enumerate(rows, 1):  # noqa: B007 - the error below names the row
                yield row
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not text in UTF-8, within the megabyte after row {number} ({error.reason})"
        ) from None


def rows_of_array(path: Path, stream: JsonStream) -> Iterator[dict]:
    for number, row in enumerate(stream.array(), 1):
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {number}: a row must be a JSON object, not {type(row).__name__}")
        yield row
    if stream.peek():
        rest = stream.window[stream.place :][:40]
        raise UserError(f"{path}: text follows the end of the array after row {stream.number}: {rest!r}")


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
