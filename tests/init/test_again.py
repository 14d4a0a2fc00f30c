"""The same start again takes in new, moved and missing photos, keeps sides and edits, and writes nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from photo_fakes import class_folders, photo

from data_builders.shared.csv_tables import csv_rows
from data_builders.shared.errors import UserError
from data_builders.sources import load_source
from fgtrain.init.begin import up_to_date, write_data
from fgtrain.init.earlier import STATE, Changes, read_earlier, state_text
from fgtrain.init.folder import claim, write_text
from fgtrain.init.photos import look


def start(root: Path, out: Path) -> tuple[Changes, dict[str, str]]:
    """As `fgtrain init` does it, without a model. What is written can be built from."""
    looked = look(root)
    earlier = read_earlier(out, root)
    found, contents, changes = up_to_date(looked, earlier)
    claim(out, found.root)
    told, hashes = write_data(out, found, changes, earlier)
    write_text(out / STATE, state_text(looked, found, contents, earlier, hashes))
    source = load_source("folder", out / "data")
    assert {row.image.partition("/")[2] for row in source.images} == {one.file for one in found.photos}
    return changes, told


def lines(out: Path) -> dict[str, dict[str, str]]:
    return {row["file"].partition("/")[2]: row for _, row in csv_rows(out / "data/photos.csv")}


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.rglob("*") if path.is_file()}


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def add_photos(root: Path, out: Path) -> None:
    for number in range(20, 30):
        photo(root / f"kind_1/{number}.png")


def add_class(root: Path, out: Path) -> None:
    for number in range(5):
        photo(root / f"neu é 🐦/{number}.png")


def remove_photo(root: Path, out: Path) -> None:
    (root / "kind_1/2.png").unlink()


def remove_class(root: Path, out: Path) -> None:
    shutil.rmtree(root / "kind_2")


def rename_photos(root: Path, out: Path) -> None:
    for path in sorted((root / "kind_0").iterdir()):
        path.rename(path.with_name(f"x{path.name}"))


def rename_class(root: Path, out: Path) -> None:
    (root / "kind_0").rename(root / "gull")


def take_line_out(root: Path, out: Path) -> None:
    path = out / "data/photos.csv"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "kind_1/2.png" not in line))


def other_side(root: Path, out: Path) -> None:
    learnt = next(file for file, row in lines(out).items() if row["split"] == "train" and "kind_1" in file)
    edit(out / "data/photos.csv", f"{learnt},kind_1,train", f"{learnt},kind_1,test")


def other_name(root: Path, out: Path) -> None:
    edit(out / "data/photos.csv", "kind_1/2.png,kind_1", "kind_1/2.png,kind_2")


def by_semicolons(root: Path, out: Path) -> None:
    path = out / "data/photos.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_text().replace(",", ";").replace("split", "split;note").encode())
    path.write_text(path.read_text().replace(";train", ";train;good").replace(";test", ";test;bad"))


def own_levels(root: Path, out: Path) -> None:
    rows = [["category", "name", "genus"], *([f"kind_{n}", f"the {n}th", "g" if n else "h"] for n in range(3))]
    (out / "data/taxonomy.csv").write_text("\n".join(map(",".join, rows)) + "\n")


NOTHING = ""
CHANGES: list[tuple[Callable, str, set[str]]] = [
    (add_photos, "10 photos new", {"data/photos.csv"}),
    (add_class, "5 photos new; class new: neu é 🐦", {"data/photos.csv", "data/taxonomy.csv"}),
    (remove_photo, "1 photo gone", {"data/photos.csv"}),
    (remove_class, "6 photos gone; class without photos now: kind 2", {"data/photos.csv", "data/taxonomy.csv"}),
    (rename_photos, "6 photos moved", {"data/photos.csv"}),
    (
        rename_class,
        "6 photos moved; class new: gull; class without photos now: kind 0",
        {"data/photos.csv", "data/taxonomy.csv"},
    ),
    (take_line_out, NOTHING, set()),
    (other_side, NOTHING, set()),
    (other_name, NOTHING, set()),
    (by_semicolons, NOTHING, set()),
    (own_levels, NOTHING, set()),
]


@pytest.mark.parametrize(("change", "told", "renewed"), CHANGES, ids=[one[0].__name__ for one in CHANGES])
def test_a_second_start_takes_in_what_has_changed_and_keeps_the_rest(tmp_path, change, told, renewed):
    root, out = class_folders(tmp_path / "photos", each=6), tmp_path / "out"
    start(root, out)
    was = lines(out)
    change(root, out)
    edited = lines(out)
    changes, how = start(root, out)

    assert str(changes) == told
    assert {name for name, what in how.items() if what == "renewed"} == renewed
    now = lines(out)
    for file, row in edited.items():
        assert file not in now or now[file] == row
    if change in (rename_photos, rename_class):
        assert sorted(row["split"] for row in now.values()) == sorted(row["split"] for row in was.values())
        tested = {
            file.rpartition("/")[2].lstrip("x")
            for file, row in now.items()
            if row["split"] == "test" and "1" not in file[:6] and "2" not in file[:6]
        }
        assert tested == {
            file.rpartition("/")[2] for file, row in was.items() if row["split"] == "test" and "kind_0" in file
        }
    if change in (add_photos, add_class):
        new = [row["split"] for file, row in now.items() if file not in was]
        assert 1 <= new.count("test") <= 3
    before = stamps(out)
    assert str(start(root, out)[0]) == ""
    assert stamps(out) == before


def test_new_photos_of_a_group_and_equal_ones_stand_where_the_old_ones_do(tmp_path):
    root, out = class_folders(tmp_path / "photos", each=6), tmp_path / "out"
    start(root, out)
    for number, (file, _) in enumerate(list(lines(out).items())):
        shutil.copy(root / file, (root / file).with_name(f"again{number}.png"))
    start(root, out)
    sides: dict[bytes, set[str]] = {}
    for file, row in lines(out).items():
        sides.setdefault((root / file).read_bytes(), set()).add(row["split"])
    assert len(sides) == 18
    assert all(len(some) == 1 for some in sides.values())


def test_a_level_of_ones_own_is_asked_for_where_a_class_is_new(tmp_path):
    root, out = class_folders(tmp_path / "photos", each=6), tmp_path / "out"
    start(root, out)
    own_levels(root, out)
    add_class(root, out)
    with pytest.raises(UserError, match=r"taxonomy.csv, line 5: genus of 'neu é 🐦' is empty"):
        start(root, out)
    edit(out / "data/taxonomy.csv", "neu é 🐦,", "neu é 🐦,")
    path = out / "data/taxonomy.csv"
    path.write_text(path.read_text().rstrip().removesuffix(",") + ",h\n")
    start(root, out)
