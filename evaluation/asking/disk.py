"""Answers on disk: files that grow by whole rows."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import atomic_write, refuse_limit


def rows_on_disk(path: Path) -> Iterator[dict]:
    """The whole rows of an answers file without a torn last line (a killed process). UserError for other damage."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    lines = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError
        except ValueError:
            if number == len(lines):  # without its newline: torn
                return
            raise UserError(f"{path}, line {number}: not an answer row; move the file away to ask again") from None
        yield row


def json_line(row: dict) -> str:
    """One row with its newline, always valid UTF-8: half a surrogate pair in a text is written as an escape."""
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(row)
    return line + "\n"


def write_lines(path: Path, lines: str) -> None:
    """Put a whole file in place of what is there, unless it already says so."""
    content = lines.encode()
    if path.exists() and path.read_bytes() == content:
        return
    with atomic_write(path, "wb") as file:
        file.write(content)


def append(rows: list[tuple[str, dict]], folder: Path) -> None:
    """Append whole rows to the files named with them, one write a file, and flush them to the disk.

    UserError when the disk is full; what is torn then is left out when the file is read again.
    """
    lines: dict[str, list[str]] = {}
    for name, row in rows:
        lines.setdefault(name, []).append(json_line(row))
    for name, texts in lines.items():
        try:
            with open(folder / name, "ab") as file:
                file.write("".join(texts).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            refuse_limit(error, folder / name, "the answers before are kept")
            raise
