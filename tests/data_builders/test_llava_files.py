"""Files for `llava` that are broken, long, or name other files; builds that are interrupted."""

import json
import tracemalloc

import pytest
from llava_rows import row, write
from small_sources import picture

from data_builders.build import build
from data_builders.llava import builder as llava_builder
from data_builders.records import read_rows
from data_builders.shared import json_stream
from data_builders.shared.errors import UserError
from data_builders.shared.files import sha256_file
from data_builders.shared.json_stream import BLOCK, JsonStream


@pytest.fixture
def root(tmp_path):
    for name in ("a.jpg", "deep/b.jpg"):
        picture(tmp_path / "root" / "pictures" / name)
    return tmp_path / "root"


def built(root, tmp_path, rows, lines=True, **options):
    build("llava", root=root, out=tmp_path / "out", options={**write(root, rows, lines), **options})
    return list(read_rows(tmp_path / "out"))


def talk(*turns, roles=("human", "gpt"), keys=("from", "value")):
    return [{keys[0]: roles[place % 2], keys[1]: turn} for place, turn in enumerate(turns)]


GOOD = json.dumps(row("a"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"[{GOOD},\n{GOOD}", "row 3 is broken or the file is cut off"),
        (f"[{GOOD},\n{GOOD[:-9]}", "row 2 is broken or the file is cut off"),
        (f"[{GOOD} {GOOD}]", "follows row 1, where a comma"),
        (f"[{GOOD}] {GOOD}", "text follows the end of the array after row 1"),
        (f"[{GOOD},]", "row 2 is broken"),
        (f'[{GOOD}, {{"id": "a\0"}}, {GOOD}]', "row 2 is broken .*control character"),
        (f'{GOOD}\n{{"id": "a\0"}}\n', "line 2: not JSON"),
        (f"{GOOD}\n{GOOD[:-9]}", "line 2: .*cut off"),
        (f"{GOOD}\n[1]\n", "line 2: a row must be a JSON object, not list"),
        (b"[" + GOOD.encode() + b", \xff\xfe", "not text in UTF-8, within the megabyte after row 0"),
        ("[" * 100_000, "nested too deeply"),
        (" \n ", "is empty"),
        ("[]", "found no rows"),
    ],
)
def test_a_broken_file_is_refused_by_row_and_leaves_nothing(root, tmp_path, text, says):
    (root / "bad.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=says):
        build("llava", root=root, out=tmp_path / "out", options={"file": "bad.json", "images": "pictures"})
    assert not list((tmp_path / "out").glob("*"))


def test_a_broken_row_is_found_without_reading_what_follows(tmp_path):
    broken = f'[{GOOD}, {{"id": nonsense}}, '
    (tmp_path / "bad.json").write_text(broken + f"{GOOD}," * 60_000)
    with open(tmp_path / "bad.json", encoding="utf-8") as file:
        with pytest.raises(UserError, match=r"row 2 is broken .*nonsense"):
            list(JsonStream(tmp_path / "bad.json", file).array())
        assert file.buffer.tell() < 3 * BLOCK


def test_a_row_longer_than_many_blocks_is_read(root, tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, "BLOCK", 50)
    rows = [row("a", "a.jpg"), row("long", answer='\\ \u2028 " ]} ' * 20_000), row("z")]
    assert [one["id"] for one in built(root, tmp_path, rows, lines=False)] == ["a", "long", "z"]


def meta_file(folder, changes):
    (folder / "lists").mkdir(exist_ok=True)
    (folder / "lists/birds.jsonl").write_text(
        json.dumps({**row(1, "a.jpg"), "conversations": talk("What?", "a")}) + "\n"
    )
    (folder / "lists/deep.jsonl").write_text("".join(json.dumps(row(i, "b.jpg")) + "\n" for i in (1, 2)))
    entries = {
        "birds": {"root": "pictures/", "annotation": "lists/birds.jsonl", "repeat_time": 1, "length": 1},
        "deep": {"root": str(folder / "pictures/deep"), "annotation": "lists/deep.jsonl", "data_augment": False},
    }
    for key, value in changes.items():
        entries["deep"][key] = value
    (folder / "meta.json").write_text(json.dumps(entries, indent=2))
    return {"file": "meta.json"}


def test_a_meta_file_gives_all_its_data_sets_or_the_one_that_is_named(root, tmp_path):
    manifest = build("llava", root=root, out=tmp_path / "all", options=meta_file(root, {}))
    found = list(read_rows(tmp_path / "all"))
    assert [(one["id"], one["image"], one["source"]) for one in found] == [
        (1, "pictures/a.jpg", "birds"),
        ("1#2", "pictures/deep/b.jpg", "deep"),
        (2, "pictures/deep/b.jpg", "deep"),
    ]
    assert found[0]["conversations"][0]["value"] == "<image>\nWhat?"
    assert manifest["sources"] == ["birds", "deep"]
    build("llava", root=root, out=tmp_path / "one", options={"file": "meta.json", "data_set": "deep"})
    assert [one["id"] for one in read_rows(tmp_path / "one")] == [1, 2]
    with pytest.raises(UserError, match=r"--data-set is 'fish'; .* lists birds, deep"):
        build("llava", root=root, out=tmp_path / "x", options={"file": "meta.json", "data_set": "fish"})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"repeat_time": 2}, r"deep.repeat_time is 2: .*--rows-only true"),
        ({"data_augment": True}, "deep.data_augment is True"),
        ({"max_dynamic_patch": 12}, "deep.max_dynamic_patch is 12"),
        ({"length": 3}, "2 rows, but the meta file says length 3"),
        ({"length": "3"}, "must be a number of rows"),
        ({"root": "../pictures"}, "which leaves"),
        ({"root": "/elsewhere"}, "which is not inside"),
        ({"root": 3}, "deep.root must be a path"),
        ({"annotation": "none.jsonl"}, "no file"),
    ],
)
def test_what_a_meta_file_says_beside_rows_is_not_lost_silently(root, tmp_path, changes, says):
    options = meta_file(root, changes)
    with pytest.raises(UserError, match=says):
        build("llava", root=root, out=tmp_path / "out", options=options)
    build("llava", root=root, out=tmp_path / "out", options={**options, "data_set": "birds"})
    if set(changes) <= {"repeat_time", "data_augment", "max_dynamic_patch"}:
        build("llava", root=root, out=tmp_path / "rows", options={**options, "rows_only": True})
        assert len(list(read_rows(tmp_path / "rows"))) == 3


def test_the_manifest_vouches_for_the_file_as_written(root, tmp_path):
    manifest = build("llava", root=root, out=tmp_path / "out", options=write(root, [row("鳥", "a.jpg", answer="ä")]))
    assert manifest["sha256"] == sha256_file(tmp_path / "out" / "rows.jsonl")
    assert "鳥" in (tmp_path / "out" / "rows.jsonl").read_text(encoding="utf-8")


def test_memory_does_not_grow_with_the_file(root, tmp_path):
    """Beyond ids and names of images: rows of 40 MB in all are read in a tenth of that."""
    long = "a long answer " * 1000
    with open(root / "long.json", "w") as file:
        file.write("[" + ",".join(json.dumps(row(i, "a.jpg", answer=long)) for i in range(3000)) + "]")
    tracemalloc.start()
    build("llava", root=root, out=tmp_path / "out", options={"file": "long.json", "images": "pictures"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "out" / "rows.jsonl").stat().st_size > 40e6
    assert peak < 12e6


def test_an_interrupted_build_leaves_no_rows(root, tmp_path, monkeypatch):
    def interrupted(self, row, part, form, known=llava_builder.Reader.usable):
        if row["id"] == 2:
            raise KeyboardInterrupt
        return known(self, row, part, form)

    options = write(root, [row(1), row(2), row(3)])
    monkeypatch.setattr(llava_builder.Reader, "usable", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build("llava", root=root, out=tmp_path / "out", options=options)
    assert not list((tmp_path / "out").iterdir())
    monkeypatch.undo()
    assert build("llava", root=root, out=tmp_path / "out", options=options)["rows"] == 3
