"""A finished set whose source is not what it was, or that is not what was built, is never used again in silence."""

import os
from pathlib import Path

import pytest
from PIL import Image
from table import rows

from data_builders.build import build, same_build
from data_builders.records import Manifest, read_rows

TAXONOMY = "species,genus\njay,corvids\nwren,wrens\n"


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, 40, 90)).save(path)


@pytest.fixture
def photos(tmp_path) -> Path:
    """Two classes with two training pictures and a test picture each."""
    for shade, name in enumerate(("jay", "wren")):
        for number in range(2):
            picture(tmp_path / f"photos/train/{name}/{number}.png", 50 * shade + number)
        picture(tmp_path / f"photos/test/{name}/t.png", 50 * shade + 9)
    (tmp_path / "photos/taxonomy.csv").write_text(TAXONOMY)
    return tmp_path / "photos"


def add(root):
    picture(root / "train/jay/2.png", 30)


def delete(root):
    (root / "train/jay/1.png").unlink()


def move(root):
    (root / "train/jay/1.png").rename(root / "test/jay/1.png")


def rename(root):
    (root / "train/jay/1.png").rename(root / "train/jay/one.png")


def new_class(root):
    picture(root / "train/owl/0.png", 120)
    picture(root / "test/owl/t.png", 121)
    (root / "taxonomy.csv").write_text(TAXONOMY + "owl,owls\n")


def edit_taxonomy(root):
    (root / "taxonomy.csv").write_text(TAXONOMY.replace("corvids", "singers"))


def edit_in_secret(root):
    path = root / "taxonomy.csv"
    before = path.stat()
    path.write_text(TAXONOMY.replace("corvids", "corvidz"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def no_taxonomy(root):
    (root / "taxonomy.csv").unlink()


def replace_picture(root):
    picture(root / "train/jay/1.png", 200)


def replace_test_picture(root):
    picture(root / "test/jay/t.png", 201)


def link_elsewhere(root):
    picture(root.parent / "elsewhere.png", 210)
    (root / "train/jay/1.png").unlink()
    (root / "train/jay/1.png").symlink_to(root.parent / "elsewhere.png")


@rows(
    ("a photo is added", add, "train/jay: 3 pictures, were 2"),
    ("a photo is deleted", delete, "train/jay: 1 pictures, were 2"),
    ("a photo is moved from train to test", move, "train/jay: 1 pictures, were 2"),
    ("a photo is renamed", rename, "train/jay: pictures have other names"),
    ("a class is added", new_class, "taxonomy.csv was edited"),
    ("taxonomy.csv is edited", edit_taxonomy, "taxonomy.csv was edited"),
    ("taxonomy.csv is edited, size and time as before", edit_in_secret, "taxonomy.csv was edited"),
    ("taxonomy.csv is removed", no_taxonomy, "taxonomy.csv is gone"),
    ("a photo is replaced", replace_picture, "train/jay: pictures were changed, the last: 1.png"),
    ("a test photo is replaced", replace_test_picture, "test/jay: pictures were changed, the last: t.png"),
    ("a photo becomes a link to another", link_elsewhere, "train/jay: pictures were changed, the last: 1.png"),
)
def test_a_changed_source_builds_anew_and_says_what_changed(how, out, photos, tmp_path, capsys):
    options = {"source": "folder", "level": None if how is no_taxonomy else "genus"}
    build("short_answer", root=photos, out=tmp_path / "set", options=options)
    assert same_build(tmp_path / "set", "short_answer", options, photos)
    how(photos)
    assert not same_build(tmp_path / "set", "short_answer", options, photos)
    capsys.readouterr()
    build("short_answer", root=photos, out=tmp_path / "set", options=options)
    assert out in capsys.readouterr().err
    fresh = build("short_answer", root=photos, out=tmp_path / "fresh", options=options)
    assert list(read_rows(tmp_path / "set")) == list(read_rows(tmp_path / "fresh"))
    assert build("short_answer", root=photos, out=tmp_path / "set", options=options)["sha256"] == fresh["sha256"]
    assert capsys.readouterr().err.count("built anew") == 0


def test_another_picture_in_a_files_place_is_another_set_to_learn_from(photos, tmp_path):
    options = {"source": "folder", "level": "genus"}

    def built() -> Manifest:
        build("short_answer", root=photos, out=tmp_path / "set", options=options)
        return Manifest.load(tmp_path / "set")

    before = built()
    assert built().content == before.content
    Image.effect_noise((64, 48), 90).convert("RGB").save(photos / "train/jay/1.png")
    after = built()
    assert after.sha256 == before.sha256, "the rows are as they were"
    assert after.content != before.content


def touch(root):
    os.utime(root / "taxonomy.csv")


def sets_beside(root):
    build("caption", root=root, out=root / "sets/caption", options={"source": "folder"})
    (root / "train/jay/.thumbs").write_text("")


def moved_away(root):
    root.rename(root.with_name("moved"))


@rows(
    ("nothing", lambda root: None, True),
    ("the time of a list alone", touch, True),
    ("sets and hidden files beside it", sets_beside, True),
    ("the source is not there any more", moved_away, True),
)
def test_what_changes_nothing_builds_nothing(how, out, photos, tmp_path):
    (photos / "sets/short").mkdir(parents=True)
    options = {"source": "folder"}
    build("short_answer", root=photos, out=tmp_path / "set", options=options)
    how(photos)
    assert same_build(tmp_path / "set", "short_answer", options, photos) is out


def cut(folder):
    path = folder / "rows.jsonl"
    path.write_bytes(path.read_bytes()[:-9])


def edit(folder):
    path = folder / "rows.jsonl"
    path.write_text(path.read_text().replace("jay", "jax"))


def edit_unseen(folder):
    path = folder / "rows.jsonl"
    before = path.stat()
    edit(folder)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def remove(folder):
    (folder / "rows.jsonl").unlink()


def no_record(folder):
    (folder / ".built.json").unlink()


def torn_record(folder):
    path = folder / ".built.json"
    path.write_text(path.read_text()[:40])


def record_of_another_shape(folder):
    (folder / ".built.json").write_text('["rows"]')


@rows(
    ("rows.jsonl is cut", cut, "rows.jsonl was cut, edited or removed since it was built; built anew"),
    ("rows.jsonl is edited", edit, "rows.jsonl was cut, edited or removed since it was built; built anew"),
    ("rows.jsonl is edited, size and time as before", edit_unseen, "was cut, edited or removed since it was built"),
    ("rows.jsonl is gone", remove, "rows.jsonl was cut, edited or removed since it was built; built anew"),
    ("the record is gone", no_record, "no record of what it was made from (.built.json) was kept since"),
    ("the record is torn", torn_record, "no record of what it was made from (.built.json) was kept since"),
    ("the record is a list", record_of_another_shape, "no record of what it was made from (.built.json) was kept"),
)
def test_a_set_that_is_not_what_was_built_is_built_again(how, out, photos, tmp_path, capsys):
    whole = build("short_answer", root=photos, out=tmp_path / "set", options={"source": "folder"})
    content = (tmp_path / "set/rows.jsonl").read_bytes()
    how(tmp_path / "set")
    assert not same_build(tmp_path / "set", "short_answer", {"source": "folder"}, photos)
    capsys.readouterr()
    assert build("short_answer", root=photos, out=tmp_path / "set", options={"source": "folder"}) == whole
    assert out in capsys.readouterr().err
    assert (tmp_path / "set/rows.jsonl").read_bytes() == content
