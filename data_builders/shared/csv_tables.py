"""Text files and csv tables as people and spreadsheets save them: their encodings, commas, semicolons or tabs."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import UserError
from .terminal import say
from .text_files import LFS_POINTER, encoding_of, open_text

DELIMITERS = ",;\t"


def read_text(path: Path) -> str:
    """The file's text as `open_text` gives it; what is neither UTF-8 nor UTF-16 is Windows-1252, which is said.

    UserError when there is no such file, or it is no text.
    """
    try:
        with open_text(path) as file:
            return file.read()
    except UserError:
        data = Path(path).read_bytes() if Path(path).is_file() else b"\0"
        if b"\0" in data or encoding_of(data[:4]) != "utf-8" or data.startswith(LFS_POINTER):
            raise
    say(f"{path}: not UTF-8; read as Windows-1252", file=sys.stderr)
    return data.decode("cp1252", "replace")


def csv_rows(path: Path, columns: Iterable[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table with a header line, with their line numbers; values without blanks around them.

    UserError when one of `columns` is missing, or a line has too many or too few values.
    """
    text, columns = read_text(path), list(columns)
    first, _, rest = text.partition("\n")
    skipped = 0
    if first.strip().lower().startswith("sep=") and len(first.strip()) <= 5:  # Excel's own first line
        text, skipped = rest, 1
    delimiter = _delimiter(text, columns)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            number = reader.line_num + skipped
            if header is None:
                header = _without_empty_end(cells)
                if absent := [name for name in columns if name not in header]:
                    raise UserError(f"{path}: no column {', '.join(absent)}; the first line has {', '.join(header)}")
                if twice := [name for name in header if header.count(name) > 1]:
                    raise UserError(f"{path}: two columns are called {twice[0]!r}")
                continue
            if len(cells) < len(header) or any(cells[len(header) :]):
                expected = f"{len(header)} values ({', '.join(header)})"
                raise UserError(f"{path}, line {number}: expected {expected}, not {delimiter.join(cells)!r}")
            yield number, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num + skipped}: {error}") from None
    if header is None and columns:
        raise UserError(f"{path}: no column {', '.join(columns)}; the first line has nothing")


def _delimiter(text: str, columns: list[str]) -> str:
    """That of the first line: the one with which it has the columns, else the one that stands there most often."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    parts = {one: [cell.strip() for cell in next(csv.reader([first], delimiter=one), [])] for one in DELIMITERS}
    whole = [one for one in DELIMITERS if set(columns) <= set(parts[one])]
    return max(whole or DELIMITERS, key=lambda one: len(parts[one]))


def _without_empty_end(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells
