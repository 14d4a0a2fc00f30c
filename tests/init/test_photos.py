"""What a folder of photos is taken for: class folders, tables of any spreadsheet, groups, sides; what is refused."""

import csv
import io
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from photo_fakes import class_folders, loose, photo

from data_builders.shared.errors import UserError
from fgtrain.init.photos import Found, look
from fgtrain.init.sides import with_sides

HEADER = ["Datei", "Art", "Genus", "animal", "set", "date"]
ROWS = [
    ["p0.png", "Fish_crow", "corvus", "a", "train", "1"],
    ["p1.PNG", "fish crow", "corvus", "a", "train", "2"],
    ["p2", "Raven", "corvus", "b", "test", "3"],
    ["p3.png", "Raven", "corvus", "c", "train", "4"],
    [".\\p4.png", 'Gull, "sea"', "larus", "d", "train", "5"],
    ["photos/p5.png", 'Gull, "sea"', "larus", "e", "test", "6"],
]


def as_text(delimiter: str, rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


def as_xlsx(rows: list[list[str]]) -> bytes:
    def cell(text: str) -> str:
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        return f'<c t="inlineStr"><is><t>{escaped}</t></is></c>'

    lines = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    link = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w") as file:
        file.writestr(
            "xl/workbook.xml",
            f'<workbook {space} xmlns:r="{link}"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        file.writestr("xl/_rels/workbook.xml.rels", '<R><Relationship Id="r1" Target="worksheets/sheet1.xml"/></R>')
        file.writestr("xl/worksheets/sheet1.xml", f"<worksheet {space}><sheetData>{lines}</sheetData></worksheet>")
    return book.getvalue()


TABLE = [HEADER, *ROWS]
FORMS = {
    "list.csv": as_text(",", TABLE).encode(),
    "list.txt": as_text("\t", TABLE).encode("utf-16"),
    "list.tsv": as_text("\t", TABLE).encode(),
    "Liste.csv": b"\xef\xbb\xbf" + as_text(";", TABLE).encode(),
    "excel.csv": b"sep=;\r\n" + as_text(";", TABLE).encode("cp1252"),
    "list.xlsx": as_xlsx(TABLE),
    "renamed.csv": as_xlsx(TABLE),
    "renamed.xlsx": as_text(";", TABLE).encode(),
}


def by_side(found: Found) -> dict[str, set[str]]:
    return {side: {one.file for one in found.photos if one.side == side} for side in ("train", "test")}


@pytest.mark.parametrize("name", FORMS)
def test_a_table_means_the_same_in_every_form(tmp_path, name):
    root = loose(tmp_path / "photos")
    (root / name).write_bytes(FORMS[name])

    found = with_sides(look(root, group="Animal"))

    assert list(found.called.values()) == ["fish crow", "raven", "gull, sea"]
    assert found.levels == ("genus",)
    assert {found.parents[name]["genus"] for name in found.called} == {"corvus", "larus"}
    assert by_side(found) == {"train": {"p0.png", "p1.png", "p3.png", "p4.png"}, "test": {"p2.png", "p5.png"}}
    assert [one.group for one in found.photos] == list("aabcde")


def test_class_folders_keep_their_own_sides_and_groups(tmp_path):
    for split in ("train", "test"):
        for kind in ("corvids/fish_crow", "gulls/ivory"):
            photo(tmp_path / "all" / split / kind / f"{split}.png")
    found = with_sides(look(tmp_path / "all"))
    assert found.levels == ("group",)
    assert {one.side for one in found.photos if one.file.startswith("test/")} == {"test"}
    assert len(by_side(found)["train"]) == 2


def test_twelve_classes_of_three_are_parted_two_to_one_and_always_alike(tmp_path):
    root = class_folders(tmp_path / "twelve", classes=12)
    found = with_sides(look(root))
    asked = Counter(one.name for one in found.photos if one.side == "test")
    assert list(asked.values()) == [1] * 12
    assert with_sides(look(root)) == found
    moved = shutil.copytree(root, tmp_path / "elsewhere")
    assert with_sides(look(moved)).photos == found.photos


def test_what_looks_like_one_name_is_one_and_folders_of_tools_are_none(tmp_path):
    """Case, blanks, and a Mac's way to write accents; splits of whatever case; what unpackers leave."""
    root = tmp_path / "all"
    for split in ("Train", "TESTING"):
        for number, kind in enumerate(
            ("M\u00f6we", "Mo\u0308we", "m\u00f6we", "great 🐦_tit", "Great 🐦 tit", "rose #1, 'x'")
        ):
            photo(root / split / kind / f"{split} ü🐦 {number}.png", seed=number)
    photo(root / "__MACOSX/odd/1.png")
    photo(root / ".thumbnails/odd/1.png")
    found = with_sides(look(root))
    assert set(found.called.values()) == {"m\u00f6we", "great 🐦 tit", "rose #1, 'x'"}
    assert Counter(one.side for one in found.photos) == {"train": 6, "test": 6}
    assert any("Great 🐦 tit" in note for note in found.notes)


def test_one_animal_and_one_picture_stand_on_one_side(tmp_path):
    root = class_folders(tmp_path / "all", classes=4, each=6)
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    animal = {file: f"{file[:6]}-{int(file[7]) // 2}" for file in files}
    (root / "animals.csv").write_text(as_text(";", [["file", "who"], *map(list, animal.items())]))
    shutil.copy(root / "kind_0/0.png", root / "kind_0/4.png")

    sides = {one.file: one.side for one in with_sides(look(root, group="who")).photos}

    for who in set(animal.values()):
        assert len({sides[file] for file in files if animal[file] == who}) == 1
    assert sides["kind_0/0.png"] == sides["kind_0/4.png"]
    assert set(sides.values()) == {"train", "test"}


def no_photos(root: Path) -> dict:
    root.mkdir()
    return {}


def one_class(root: Path) -> dict:
    class_folders(root, classes=1)
    return {}


def broken_picture(root: Path) -> dict:
    (class_folders(root) / "kind_0/0.png").write_bytes(b"<html>not found</html>")
    return {}


def single_photo(root: Path) -> dict:
    photo(class_folders(root) / "rare/0.png")
    return {}


def one_picture_twice(root: Path) -> dict:
    photo(class_folders(root) / "rare/0.png")
    shutil.copy(root / "rare/0.png", root / "rare/1.png")
    return {}


def two_names(root: Path) -> dict:
    shutil.copy(class_folders(root) / "kind_0/0.png", root / "kind_1/9.png")
    return {}


def over_the_split(root: Path) -> dict:
    class_folders(root / "train")
    class_folders(root / "test", each=1)
    return {}


def only_asked(root: Path) -> dict:
    class_folders(root / "train", classes=2)
    photo(root / "test/new/7.png")
    return {}


def loose_photo(root: Path) -> dict:
    photo(class_folders(root) / "lost.png")
    return {}


def unreadable_table(root: Path) -> dict:
    (loose(root) / "list.xlsx").write_bytes(b"PK\3\4 no zip")
    return {}


def old_excel(root: Path) -> dict:
    (loose(root) / "list.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    return {}


def ragged_table(root: Path) -> dict:
    (loose(root) / "list.csv").write_text("file,name\np0.png,crow\np1.png\n")
    return {}


def missing_photos(root: Path) -> dict:
    (loose(root) / "list.csv").write_text("file,name\np0.png,crow\np1.png,gull\np9.png,gull\n")
    return {}


def listed_twice(root: Path) -> dict:
    (loose(root) / "list.csv").write_text("file,name\np0.png,crow\np0.png,gull\n")
    return {}


def no_name(root: Path) -> dict:
    (loose(root) / "list.csv").write_text("file,name\np0.png,crow\np1.png,__\n")
    return {}


def phones_photos(root: Path) -> dict:
    (root / "a").mkdir(parents=True)
    (root / "a/1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    return {}


def phones_class(root: Path) -> dict:
    phones_photos(class_folders(root))
    return {}


def no_header(root: Path) -> dict:
    (loose(root) / "list.csv").write_text("p0.png,crow\np1.png,gull\np2.png,gull\n")
    return {}


def other_files(root: Path) -> dict:
    (loose(root) / "list.csv").write_text("file,name\nIMG_1.JPG,crow\nIMG_2.JPG,gull\n")
    return {}


def outside(root: Path) -> dict:
    photo(loose(root).parent / "other/p0.png")
    (root / "list.csv").write_text("file,name\n../other/p0.png,crow\np1.png,gull\np2.png,gull\n")
    return {}


def renamed_xls(root: Path) -> dict:
    (loose(root) / "list.csv").write_bytes(b"\xd0\xcf\x11\xe0")
    return {}


def a_link_back(root: Path) -> dict:
    (class_folders(root) / "kind_0/loop").symlink_to(root)
    return {}


def broken_link(root: Path) -> dict:
    (class_folders(root) / "kind_0/b.png").symlink_to("/nowhere.png")
    return {}


def archive(root: Path) -> dict:
    root.with_suffix(".zip").touch()
    return {"place": root.with_suffix(".zip")}


def which_column(root: Path) -> dict:
    (loose(root) / "list.csv").write_text("file,one,two\np0.png,crow,x\np1.png,gull,y\n")
    return {}


def two_tables(root: Path) -> dict:
    for name in ("a.csv", "b.csv"):
        (root.parent / name).touch()
        (loose(root) / name).write_text("file,name\np0.png,crow\np1.png,gull\n")
    return {}


def no_such_column(root: Path) -> dict:
    (loose(root) / "list.csv").write_text("file,name\np0.png,crow\np1.png,gull\n")
    return {"group": "animal"}


def group_without_table(root: Path) -> dict:
    class_folders(root)
    return {"group": "animal"}


def one_group(root: Path) -> dict:
    rows = [["file", "name", "who"], *([f"p{n}.png", "crow" if n < 3 else "gull", n < 3 or n] for n in range(6))]
    (loose(root) / "list.csv").write_text(as_text(",", rows))
    return {"group": "who"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_photos, "has no photos"),
        (one_class, "all photos show 'kind_0'. Two classes"),
        (broken_picture, "kind_0/0.png cannot be read"),
        (single_photo, "'rare' has one photo only"),
        (one_picture_twice, "'rare' has photos of one group (or equal ones) only"),
        (two_names, "kind_0/0.png (kind 0) and kind_1/9.png (kind 1)"),
        (over_the_split, "3 pictures stand among those to learn from and those to be asked about"),
        (only_asked, "'new' has photos to be asked about, and none to learn from"),
        (loose_photo, "lost.png lies in no class folder"),
        (unreadable_table, "list.xlsx cannot be read as an Excel file"),
        (old_excel, "list.xls cannot be read. Save it as .xlsx or .csv"),
        (ragged_table, "list.csv, line 3: expected 2 values"),
        (missing_photos, "1 of 3 lines name photos that are not there"),
        (listed_twice, "line 3: 'p0.png' is listed a second time"),
        (no_name, "line 3: name is '__'"),
        (which_column, "which column has the names"),
        (two_tables, "several tables of its photos: a.csv, b.csv"),
        (no_such_column, "--group animal: "),
        (group_without_table, "--group animal is a column of a table"),
        (one_group, "'crow' has photos of one group"),
        (phones_photos, "has no photos (files that are not read (JPEG, PNG"),
        (phones_class, "HEIC is not read: save such photos as JPEG"),
        (no_header, "the first line is about the photo p0.png. Write one above it"),
        (other_files, "no column has the names of the photos' files, as 'p0.png' is one"),
        (outside, "1 of 3 lines name photos that are not there"),
        (renamed_xls, "it is an old Excel file"),
        (a_link_back, "a link leads back"),
        (broken_link, "no image"),
        (archive, "photos.zip is an archive. Unpack it"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_in_one_message(tmp_path, make, message):
    with pytest.raises(UserError) as raised:
        with_sides(look(**{"place": tmp_path / "photos"} | make(tmp_path / "photos")))
    assert message in str(raised.value)
