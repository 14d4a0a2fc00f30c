"""Rows of an Excel file (.xlsx): the first sheet as texts, under the names in its first row. VLMEvalKit writes such.

No library for it is among this project's; the format is a zip of XML files, of which values need three.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from data_builders.shared.errors import UserError

LARGEST = 1 << 30  # bytes of one part, unpacked: more is a zip bomb, not a sheet of answers
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
STRICT_RELATION = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")  # how XML carries characters that it has not


def sheet_rows(path: Path) -> Iterator[dict[str, str]]:
    """Column's name -> text of each row that has any. UserError for a file that is no such sheet."""
    try:
        with zipfile.ZipFile(path) as book:
            if "xl/workbook.xml" not in book.namelist():
                raise UserError(
                    f"{path} is a zip file, but no Excel sheet; unpack it, or save a sheet as .xlsx or .csv"
                )
            yield from named(cells(book, first_sheet(book), shared_texts(book)), path)
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, ValueError, NotImplementedError) as error:
        raise UserError(f"{path} cannot be read as an Excel file ({error}); save it as .csv") from None


def named(rows: Iterator[dict[int, str]], path: Path) -> Iterator[dict[str, str]]:
    names = {place: name.strip() for place, name in next(rows, {}).items() if name.strip()}
    if len(set(names.values())) < len(names):
        raise UserError(f"{path}: two columns of the first row have the same name; rename one")
    for row in rows:
        if any(row.get(place, "") for place in names):
            yield {name: row.get(place, "") for place, name in names.items()}


def part(book: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if book.getinfo(name).file_size > LARGEST:
        raise UserError(f"{book.filename}: {name} unpacks to more than {LARGEST >> 30} GiB; save it as .csv")
    return ElementTree.fromstring(book.read(name))


def first_sheet(book: zipfile.ZipFile) -> str:
    """The name of its part: sheets are numbered in the order of their making, and listed in that of their tabs."""
    sheet = part(book, "xl/workbook.xml").find("{*}sheets/{*}sheet")
    if sheet is None:
        raise ValueError("no sheet")
    wanted = sheet.get(RELATION) or sheet.get(STRICT_RELATION)
    for one in part(book, "xl/_rels/workbook.xml.rels"):
        if one.get("Id") == wanted:
            return str(PurePosixPath("xl") / one.get("Target", "")).removeprefix("/")
    raise ValueError("its first sheet is not there")


def shared_texts(book: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in book.namelist():
        return []
    return [text_of(one) for one in part(book, "xl/sharedStrings.xml").iterfind("{*}si")]


def text_of(element: ElementTree.Element) -> str:
    """The text of a string, plain or in runs of several fonts, without how it is read aloud."""
    runs = [*element.iterfind("{*}t"), *element.iterfind("{*}r/{*}t")]
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), "".join(run.text or "" for run in runs))


def cells(book: zipfile.ZipFile, sheet: str, shared: list[str]) -> Iterator[dict[int, str]]:
    """Column from 0 -> text of each row."""
    for row in part(book, sheet).iterfind("{*}sheetData/{*}row"):
        found: dict[int, str] = {}
        for cell in row.iterfind("{*}c"):
            place = column_of(cell.get("r", "")) if cell.get("r") else len(found)
            found[place] = value_of(cell, shared)
        yield found


def column_of(reference: str) -> int:
    """ "C7" -> 2."""
    number = 0
    for letter in re.match(r"[A-Z]+", reference)[0]:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def value_of(cell: ElementTree.Element, shared: list[str]) -> str:
    kind, value = cell.get("t", "n"), cell.findtext("{*}v") or ""
    if kind == "inlineStr":
        inline = cell.find("{*}is")
        return "" if inline is None else text_of(inline)
    if kind == "s":
        return shared[int(value)]
    if kind == "str":
        return ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)
    if kind == "n" and value:
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else value
    return {"1": "TRUE", "0": "FALSE"}.get(value, value) if kind == "b" else value
