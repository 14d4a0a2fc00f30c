import json

import pytest
from small_sources import picture

from data_builders.llava import reading
from data_builders.build import build
from data_builders.errors import UserError
from data_builders.files import read_jsonl
from data_builders.records import read_rows


def row(name, image=None, question="What is it?", answer="a bird"):
    lead = "<image>\n" if image else ""
    turns = [{"from": "human", "value": lead + question}, {"from": "gpt", "value": answer}]
    return {"id": name, **({"image": image} if image else {}), "conversations": turns}


@pytest.fixture
def root(tmp_path):
    for name in ("a.jpg", "deep/b.jpg"):
        picture(tmp_path / "root" / "pictures" / name)
    return tmp_path / "root"


def write(root, rows, lines=False):
    path = root / ("rows.jsonl" if lines else "rows.json")
    path.write_text("\n".join(map(json.dumps, rows)) if lines else json.dumps(rows, indent=1))
    return {"file": path.name, "images": "pictures"}


@pytest.mark.parametrize("lines", [False, True])
def test_array_and_lines_give_the_same_rows(root, tmp_path, lines, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK", 7)  # rows straddle the blocks
    rows = [row("x", "a.jpg"), row("x", "deep/b.jpg"), row(3), row("last", "a.jpg", answer="ä 鳥  ]}")]
    manifest = build("llava", root=root, out=tmp_path / "out", options=write(root, rows, lines))
    found = list(read_rows(tmp_path / "out"))
    assert [one["id"] for one in found] == ["x", "x#2", 3, "last"]
    assert [one["conversations"] for one in found] == [one["conversations"] for one in rows]
    assert [one["kind"] for one in found] == ["general", "general", "text", "general"]
    assert (manifest["rows"], manifest["images"]) == (4, 2)
    assert (tmp_path / "out" / manifest["image_root"] / "deep/b.jpg").is_file()


def test_missing_images_are_listed_or_left_out_within_the_quota(root, tmp_path):
    options = write(root, [row("a", "a.jpg"), row("b", "gone.jpg"), row("c", "lost.jpg")])
    with pytest.raises(UserError, match=r"2 rows name images.*gone\.jpg, lost\.jpg.*--max-missing 2"):
        build("llava", root=root, out=tmp_path / "out", options={**options, "max_missing": 1})
    assert not (tmp_path / "out" / "manifest.json").exists()
    build("llava", root=root, out=tmp_path / "out", options={**options, "max_missing": 2})
    assert [one["id"] for one in read_rows(tmp_path / "out")] == ["a"]
    left = list(read_jsonl(tmp_path / "out" / "left_out.jsonl"))
    assert [(one["id"], one["image"]) for one in left] == [("b", "gone.jpg"), ("c", "lost.jpg")]


@pytest.mark.parametrize(
    ("faulty", "says"),
    [
        (row("r", "../secret.jpg"), "stay inside"),
        (row("r", "/etc/secret.jpg"), "must be relative"),
        ({"id": "r", "image": "a.jpg", "conversations": row("r")["conversations"]}, "must stand once"),
        (row("r", question="<image> what?"), "no image"),
        (row("r", "a.jpg", question="<image>"), "stands 2 times"),
        (row("r", "a.jpg", answer=" "), "no answer"),
        ({"id": "r", "conversations": [{"from": "tool", "value": "x"}]}, "from: human or gpt"),
        ({"id": "r", "conversations": []}, "conversations must be a list"),
    ],
)
def test_faulty_rows_are_refused_or_left_out_with_the_reason(root, tmp_path, faulty, says):
    options = write(root, [row("good", "a.jpg"), faulty])
    with pytest.raises(UserError, match=says):
        build("llava", root=root, out=tmp_path / "out", options=options)
    build("llava", root=root, out=tmp_path / "out", options={**options, "max_faulty": 1})
    assert [one["id"] for one in read_rows(tmp_path / "out")] == ["good"]
    assert says in next(read_jsonl(tmp_path / "out" / "left_out.jsonl"))["reason"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"id": 1, "conv', "row 1 is broken or the file is cut off"),
        ("", "empty"),
        ("hello", "not JSON"),
        ("[3]", "row 1"),
    ],
)
def test_files_that_are_not_what_they_should_be(root, tmp_path, text, says):
    (root / "bad.json").write_text(text)
    with pytest.raises(UserError, match=says):
        build("llava", root=root, out=tmp_path / "out", options={"file": "bad.json", "images": "pictures"})
    with pytest.raises(UserError, match="no file"):
        build("llava", root=root, out=tmp_path / "out", options={"file": "none.json", "images": "pictures"})
