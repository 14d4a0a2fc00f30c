"""Text files as downloads, editors and clones leave them: byte order marks, UTF-16, CRLF, Git LFS pointers."""

from pathlib import Path

import pytest
from table import rows

from data_builders.general.parquet import open_shard
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl
from data_builders.shared.pictures import open_image
from data_builders.sources.matlab import read_mat
from data_builders.sources.reading import numbered_lines
from fgtrain.model.sources import Source

LINES = '{"name": "Fähre"}\n{"name": "\u2028"}\n'
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
EXPECTED = [{"name": "Fähre"}, {"name": "\u2028"}]


@rows(
    ("plain", LINES.encode(), EXPECTED),
    ("byte order mark", LINES.encode("utf-8-sig"), EXPECTED),
    ("CRLF", LINES.replace("\n", "\r\n").encode(), EXPECTED),
    ("UTF-16 of PowerShell", LINES.encode("utf-16"), EXPECTED),
    ("UTF-16, big end first", b"\xfe\xff" + LINES.encode("utf-16-be"), EXPECTED),
    ("UTF-16 without mark", LINES.encode("utf-16-le"), EXPECTED),
    ("UTF-32", LINES.encode("utf-32"), EXPECTED),
    ("Latin-1", LINES.replace("\u2028", "").encode("latin-1"), "is not text"),
    ("half a UTF-16", LINES.encode("utf-16")[:-1], "is not text"),
    ("LFS pointer", POINTER, "is a Git LFS pointer, not the file itself. Fetch it: git lfs pull"),
    ("nested too deeply", b'{"a": ' + b"[" * 99_999 + b"\n", "nested too deeply"),
    ("empty", b"", []),
)
def test_rows_of_a_file(how, out, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(how)
    if isinstance(out, str):
        with pytest.raises(UserError, match=out):
            list(read_jsonl(path))
    else:
        assert list(read_jsonl(path)) == out


HALF = b'{"text": "half \\ud83d"}\n'
WHOLE = b'{"text": "whole \\ud83d\\ude00"}\n'


@rows(
    ("half of one, in what a model wrote", (HALF, False), None),
    ("half of one, in what it is taught", (HALF, True), "line 1: its text holds half a surrogate pair"),
    ("a whole one", (WHOLE, True), None),
)
def test_surrogate_pairs(how, out, tmp_path):
    data, whole_characters = how
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    if out is None:
        assert len(list(read_jsonl(path, whole_characters=whole_characters))) == 1
        return
    with pytest.raises(UserError, match=out):
        list(read_jsonl(path, whole_characters=whole_characters))


def weights(path: Path) -> None:
    (path.parent / "model.safetensors").write_bytes(path.read_bytes())
    (path.parent / "config.json").write_text("{}")
    raise Source("model.language_model", str(path.parent), network=False)._unreadable(ValueError("no header"))


@rows(
    ("json", read_json, "LFS pointer"),
    ("json lines", lambda path: list(read_jsonl(path)), "LFS pointer"),
    ("a picture", open_image, "LFS pointer"),
    ("a .mat file", lambda path: read_mat(path, "labels"), "LFS pointer"),
    ("a list of pictures", lambda path: list(numbered_lines(path)), "LFS pointer"),
    ("a shard of parquet", open_shard, "LFS pointer"),
    ("weights", weights, "LFS pointer"),
)
def test_a_git_lfs_pointer_is_told_as_one(how, out, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(POINTER)
    with pytest.raises(UserError, match=out):
        how(path)


@rows(("a folder", "", "is a folder, not a file"), ("nothing", "gone", "no file"))
def test_what_is_no_file(how, out, tmp_path):
    with pytest.raises(UserError, match=out):
        read_json(tmp_path / how)
