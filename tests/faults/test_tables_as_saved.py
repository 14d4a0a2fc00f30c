"""Tables and lists as spreadsheets save them: the same names come out, whatever the encoding and the separator."""

import codecs
from pathlib import Path

import pytest
from PIL import Image
from table import rows

from data_builders.shared.errors import UserError
from data_builders.sources import Source, load_source

LINES = [["class", "genus", "order"], ["Häher", "garrulus", "passerines"], ["wren", "troglodytes", "passerines"]]
NAMES = ["häher", "wren"]


def table(separator: str, lines: list[list[str]] = LINES) -> str:
    return "".join(separator.join(cells) + "\n" for cells in lines)


def photos(folder: Path, names: tuple[str, ...] = ("Häher", "wren")) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(folder / name / "a.png")
    return folder


def read(folder: Path, content: bytes, names: tuple[str, ...] = ("Häher", "wren")) -> Source:
    (photos(folder / "photos", names) / "taxonomy.csv").write_bytes(content)
    return load_source("folder", folder / "photos")


@rows(
    ("commas, UTF-8", table(",").encode(), NAMES),
    ("semicolons, UTF-8", table(";").encode(), NAMES),
    ("tabs, UTF-8", table("\t").encode(), NAMES),
    ("semicolons with a byte order mark", codecs.BOM_UTF8 + table(";").encode(), NAMES),
    ("semicolons, Windows-1252", table(";").encode("cp1252"), NAMES),
    ("commas, Latin-1", table(",").encode("latin-1"), NAMES),
    ("tabs, UTF-16, as Excel's Unicode text", table("\t").encode("utf-16"), NAMES),
    ("UTF-16, big end first", codecs.BOM_UTF16_BE + table("\t").encode("utf-16-be"), NAMES),
    ("UTF-16 without a mark", table(";").encode("utf-16-le"), NAMES),
    ("lines of Windows", table(";").replace("\n", "\r\n").encode(), NAMES),
    ("Excel's sep line", ("sep=;\n" + table(";")).encode(), NAMES),
    ("quoted cells", table(";").replace("wren", '"wren"').encode(), NAMES),
    ("empty lines at the end", (table(";") + ";;\n;;\n").encode(), NAMES),
    ("empty columns at the end", table(";").replace("\n", ";;\n").encode(), NAMES),
    ("blanks around", table(" ; ").encode(), NAMES),
    ("a cell with a comma", table(";").replace("passerines", "passerines, songbirds").encode(), NAMES),
)
def test_a_taxonomy_is_read_as_it_was_meant(tmp_path, how, out):
    source = read(tmp_path, how)
    assert [level.name for level in source.levels] == ["order", "genus", "class"]
    assert sorted(row.category for row in source.images) == out
    assert {row.parents["genus"] for row in source.images} == {"garrulus", "troglodytes"}


NUMBERED = [["nr", "class", "genus"], ["1", "Häher", "garrulus"], ["2", "wren", "troglodytes"]]
TURNED = [["genus", "class"], ["garrulus", "Häher"], ["troglodytes", "wren"]]
CODES = [["code", "name", "genus"], ["b1", "Häher", "garrulus"], ["b2", "wren", "troglodytes"]]


@rows(
    ("behind a running number", (NUMBERED, ("Häher", "wren")), ["genus", "class"]),
    ("behind a level", (TURNED, ("Häher", "wren")), ["genus", "class"]),
    ("codes as folders", (CODES, ("b1", "b2")), ["genus", "code"]),
)
def test_the_column_of_the_folders_is_found_by_what_is_in_it(tmp_path, how, out):
    lines, folders = how
    source = read(tmp_path, table(";", lines).encode(), folders)
    assert [level.name for level in source.levels] == out
    assert sorted(row.category for row in source.images) == NAMES


@rows(
    ("a missing class", table(";", LINES[:2]).encode(), "no line for 1 classes, the first: 'wren'"),
    ("too few cells", table(";").replace("troglodytes;", "").encode(), "line 3: expected 3 values"),
    ("too many cells", table(";").replace("troglodytes", "troglodytes;x").encode(), "line 3: expected 3 values"),
    ("two columns of a name", table(";").replace("genus", "order").encode(), "two columns are called 'order'"),
    ("no lines", b"class;genus\n", "no lines"),
    ("a workbook", b"PK\x03\x04\0\0\0\0\xff\xfe\x00\xd8", "not .*text"),
)
def test_a_table_that_cannot_be_followed_is_refused_with_its_place(tmp_path, how, out):
    with pytest.raises(UserError, match=out):
        read(tmp_path, how)
