"""The rows of a predictions file, whatever holds them: JSON lines, a JSON list or mapping, a table (.csv, .tsv, .xlsx).

The content decides, not the file's name. Any of these may be packed by gzip, and text may be UTF-8 or UTF-16.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl
from data_builders.shared.text_files import encoding_of, open_text

from .foreign_answers import ASKED, GIVEN, IDS
from .spreadsheets import sheet_rows

HEAD = 1 << 16  # characters after the first line that are looked at
SEPARATORS = ("\t", ",", ";")
LONGEST_FIELD = 1 << 28  # characters; VLMEvalKit's tables may hold pictures
LISTS = ("logs", "samples", "predictions", "results", "answers", "data", "annotations")  # of a mapping, that hold rows
KEYS = {*IDS, *GIVEN, *ASKED, "answer", "text", "task"}  # of a row
# Bytes that a file of another kind begins with -> what it is and what to do with it.
OTHER_KINDS = {
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls); save it as .xlsx or .csv",
    b"\x80": "a pickle, which is never opened: loading one runs what is in it; save it as .tsv, .xlsx or .json",
    b"PAR1": "a Parquet file; save it as JSON lines",
    b"BZh": "packed by bzip2; unpack it",
    b"\xfd7zXZ": "packed by xz; unpack it",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it",
}


def file_rows(path: Path) -> Iterator[dict]:
    """The rows one by one; JSON lines are never all in memory. UserError when the file is of no known kind, broken, or
    holds what is no row."""
    with open(path, "rb") as file:
        head = file.read(8)
    if head.startswith(b"\x1f\x8b"):
        yield from packed_rows(path)
        return
    if head.startswith(b"PK\x03\x04"):
        yield from sheet_rows(path)
        return
    for start, what in OTHER_KINDS.items():
        if head.startswith(start):
            raise UserError(f"{path} is {what}")
    with open_text(path) as file:
        first = next((line for line in file if line.strip()), "").strip()
        more = bool(file.read(HEAD).strip())
    if first[:1] in ("{", "[", ""):
        yield from read_jsonl(path) if is_lines(first, more) else rows_of(read_json(path), path)
    else:
        with open_text(path) as file:
            yield from table_rows(file.read(), path)


def packed_rows(path: Path) -> Iterator[dict]:
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be unpacked by gzip: {error}") from None
    try:
        text = data.decode(encoding_of(data[:4]))
    except UnicodeError as error:
        raise UserError(f"{path} is packed, and not UTF-8 text: {error}") from None
    first, _, more = text.lstrip().partition("\n")
    if first[:1] not in ("{", "[", ""):
        yield from table_rows(text, path)
        return
    try:
        lines = is_lines(first.strip(), bool(more.strip()))
        values = [json.loads(line) for line in text.split("\n") if line.strip()] if lines else json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path} is packed, and not JSON: {error}") from None
    yield from rows_of(values, path)


def is_lines(first: str, more: bool) -> bool:
    """Does a file with this first line, and more after it or not, hold an object a line?"""
    if first.startswith("["):
        return False
    try:
        row = json.loads(first or "{}")
    except (json.JSONDecodeError, RecursionError):
        return not first.endswith(("{", "[", ","))  # as the first line of an object that goes over several does
    return more or not is_mapping_of_rows(row)


def is_mapping_of_rows(value: dict) -> bool:
    return any(isinstance(value.get(key), list) for key in LISTS) or is_by_id(value, dict) or is_by_id(value, str)


def is_by_id(value: dict, kind: type) -> bool:
    """Does it map ids to values of that type, and is no row itself?"""
    return bool(value) and KEYS.isdisjoint(value) and all(isinstance(one, kind) for one in value.values())


def rows_of(value: object, path: Path) -> Iterator[dict]:
    """The rows in a JSON value: a list of them, a mapping from ids to them or to answers, or one that holds a list."""
    if isinstance(value, dict):
        held = next((value[key] for key in LISTS if isinstance(value.get(key), list)), None)
        if held is not None:
            value = held
        elif is_by_id(value, dict):
            value = [{"question_id": key, **row} for key, row in value.items()]
        elif is_by_id(value, str):
            value = [{"question_id": key, "answer": answer} for key, answer in value.items()]
        else:
            value = [value]
    if not isinstance(value, list):
        raise UserError(f"{path} holds a JSON {type(value).__name__}, and no rows")
    for number, row in enumerate(value, 1):
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {number}: a row must be a JSON object, not {type(row).__name__}")
        yield row


def table_rows(text: str, path: Path) -> Iterator[dict]:
    header, _, rest = text.partition("\n")
    if header.lower().startswith("sep="):  # Excel's own first line
        text, header = rest, rest.partition("\n")[0]
    counts = {separator: header.count(separator) for separator in SEPARATORS}
    separator = max(SEPARATORS, key=counts.__getitem__)
    if not counts[separator]:
        raise UserError(
            f"{path} is no predictions file: it holds neither JSON lines, a JSON list or mapping, nor a table with the "
            "columns' names in its first line (.csv, .tsv, .xlsx)"
        )
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield from named_rows(csv.reader(io.StringIO(text, newline=""), delimiter=separator), path)
    except csv.Error as error:
        raise UserError(f"{path} cannot be read as a table: {error}") from None
    finally:
        csv.field_size_limit(before)


def named_rows(lines: Iterable[list[str]], path: Path) -> Iterator[dict]:
    lines = iter(lines)
    names = [name.strip() for name in next(lines)]
    if len(set(names)) < len(names):
        raise UserError(f"{path}: two columns have the same name; rename one: {', '.join(names)}")
    for number, values in enumerate(lines, 1):
        if not any(values):
            continue
        if len(values) != len(names):
            raise UserError(
                f"{path}, row {number}: {len(values)} values for {len(names)} columns ({', '.join(names)[:120]}); "
                "values with separators or line breaks must stand in double quotes"
            )
        yield dict(zip(names, values, strict=True))
