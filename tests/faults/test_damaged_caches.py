"""What is kept from one start to the next: damaged anywhere, it is made anew with a word, and never used as it is."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from table import rows

from data_builders.leakage.cache import Facts
from data_builders.records import conversation, write_training_set
from data_builders.shared.array_store import ArrayStore
from data_builders.shared.code_identity import CodeIdentity
from data_builders.shared.sealed import seal, sealed, unsealed
from fgtrain.data import FeatureCache, ImageRef, checks
from fgtrain.data.rows import Rows
from fgtrain.images import Square

KEYS = ["a", "b", "c"]
VALUES = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
SPEC = Square(size=8, mean=(0.5,) * 3, std=(0.25,) * 3, resample="bilinear", tokens=1)


def flip(path: Path, place: int) -> None:
    """One bit."""
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def put(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def in_a_row(folder):
    flip(folder / "rows.f32", 20)


def in_the_last_row(folder):
    flip(folder / "rows.f32", 47)


def in_a_key(folder):
    put(folder / "index.jsonl", b'"b"', b'"z"')


def keys_swapped(folder):
    put(folder / "index.jsonl", b'"a"', b'"?"')
    put(folder / "index.jsonl", b'"b"', b'"a"')
    put(folder / "index.jsonl", b'"?"', b'"b"')


def in_a_place(folder):
    put(folder / "index.jsonl", b'"row": 0', b'"row": 2')


def place_outside(folder):
    put(folder / "index.jsonl", b'"row": 1', b'"row": 9')


def in_the_shape(folder):
    put(folder / "index.jsonl", b"[2, 2]", b"[1, 4]")


def larger_shape(folder):
    put(folder / "index.jsonl", b"[2, 2]", b"[2, 8]")


def no_json(folder):
    put(folder / "index.jsonl", b'{"key"', b'["key"')


def no_text(folder):
    put(folder / "index.jsonl", b'"key"', b'"\xffey"')


def another_value(folder):
    put(folder / "index.jsonl", b'"row": 1', b'"row": null')


def numbers_alone(folder):
    with open(folder / "index.jsonl", "a") as file:
        file.write("5\n")


def cut_rows(folder):
    (folder / "rows.f32").write_bytes((folder / "rows.f32").read_bytes()[:30])


def no_rows(folder):
    (folder / "rows.f32").unlink()


def zeros(folder):
    path = folder / "rows.f32"
    path.write_bytes(bytes(path.stat().st_size))


@rows(
    ("a bit of a row", in_a_row, "rows.f32 are not what was written"),
    ("a bit of the last row", in_the_last_row, "rows.f32 are not what was written"),
    ("a key", in_a_key, ""),
    ("two keys change places", keys_swapped, "rows.f32 are not what was written"),
    ("a row's place", in_a_place, "rows.f32 are not what was written"),
    ("a place outside", place_outside, ""),
    ("the shape, as many numbers", in_the_shape, "index.jsonl are not what was written"),
    ("the shape, more numbers", larger_shape, "index.jsonl are not what was written"),
    ("a line of the index is no JSON", no_json, "index.jsonl are not what was written"),
    ("a line of the index is no text", no_text, "index.jsonl are not what was written"),
    ("a line of the index has null", another_value, "index.jsonl are not what was written"),
    ("a line of the index is a number", numbers_alone, "index.jsonl are not what was written"),
    ("the rows are cut", cut_rows, ""),
    ("the rows are gone", no_rows, ""),
    ("the rows are zeros, as a crash leaves them", zeros, "rows.f32 are not what was written"),
)
def test_rows_that_were_damaged_are_not_given_and_can_be_written_again(how, out, tmp_path, capsys):
    ArrayStore(tmp_path).add(KEYS, VALUES)
    how(tmp_path)
    again = ArrayStore(tmp_path)
    for key, value in zip(KEYS, VALUES, strict=True):
        try:
            found = again.get([key])[0]
        except KeyError:
            again.add([key], value[None])
            found = again.get([key])[0]
        np.testing.assert_array_equal(found, value)
    assert out in capsys.readouterr().err
    later = ArrayStore(tmp_path)
    np.testing.assert_array_equal(later.get(KEYS), VALUES)
    mapped, places = later.mapped(KEYS)
    np.testing.assert_array_equal(mapped[places], VALUES)
    assert "rows.f32" not in capsys.readouterr().err


def test_a_picture_whose_features_were_damaged_is_encoded_again(tmp_path, capsys):
    computed: list[int] = []

    def encode(pixels_NCHW):
        computed.append(len(pixels_NCHW))
        return pixels_NCHW.mean((2, 3))[:, None, :]

    def features() -> torch.Tensor:
        return FeatureCache(tmp_path / "features", encode, "encoder", SPEC).get(pictures)

    pictures = []
    for number in range(3):
        Image.new("RGB", (8, 8), (40 * number, 90, 10)).save(tmp_path / f"{number}.png")
        pictures.append(ImageRef(tmp_path / f"{number}.png"))
    whole = features()
    (path,) = (tmp_path / "features").glob("*/rows.f32")
    flip(path, 13)
    capsys.readouterr()
    assert torch.equal(features(), whole)
    assert f"1 rows of {path} are not what was written" in capsys.readouterr().err
    assert len(computed) == 2
    assert torch.equal(features(), whole)
    assert len(computed) == 2


def middle(path):
    flip(path, path.stat().st_size // 2)


def head(path):
    flip(path, 3)


def last_byte(path):
    flip(path, -1)


def cut(path):
    path.write_bytes(path.read_bytes()[:-5])


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def longer(path):
    path.write_bytes(path.read_bytes() + b"more")


DAMAGES = (
    ("a bit in the middle", middle, "made anew"),
    ("a bit of its head", head, "made anew"),
    ("a bit of its seal", last_byte, "made anew"),
    ("cut by some bytes", cut, "made anew"),
    ("cut in half", half, "made anew"),
    ("empty", empty, "made anew"),
    ("longer", longer, "made anew"),
)


@pytest.fixture
def training_set(tmp_path):
    texts = [
        {"id": str(n), "conversations": conversation(f"Q{n}?", f"A{n}", with_image=False), "kind": "text"}
        for n in range(20)
    ]
    about = {"builder": "test", "code": CodeIdentity("0" * 16, {}), "sources": [], "splits": []}
    write_training_set(tmp_path / "set", texts, name="set", image_root=tmp_path, **about)
    return tmp_path / "set"


@rows(*DAMAGES)
def test_rows_that_were_damaged_are_read_again(how, out, training_set, tmp_path, capfd):
    whole = list(Rows(training_set, tmp_path / "cache"))
    (path,) = (tmp_path / "cache").glob("*.arrow")
    how(path)
    capfd.readouterr()
    assert list(Rows(training_set, tmp_path / "cache")) == whole
    said = capfd.readouterr().err
    assert said.count(out) == 1
    assert str(path) in said
    assert list(Rows(training_set, tmp_path / "cache")) == whole
    assert out not in capfd.readouterr().err


@rows(*DAMAGES)
def test_lengths_that_were_damaged_are_counted_again(how, out, training_set, tmp_path, capfd, monkeypatch):
    maker = SimpleNamespace(rows={"set": Rows(training_set)})
    counts, places = np.arange(100, dtype=np.int64).reshape(20, 5) + 1, SimpleNamespace(folders=())
    monkeypatch.setattr(checks, "rows_identity", lambda *_: "identity")
    monkeypatch.setattr(checks, "_look_at", lambda *_: counts.copy())
    found = checks.check_rows("set", maker, tmp_path, None, places, print)
    (path,) = (tmp_path / "lengths").glob("*.npy")
    how(path)
    capfd.readouterr()
    np.testing.assert_array_equal(checks.check_rows("set", maker, tmp_path, None, places, print), found)
    assert capfd.readouterr().err.count(out) == 1
    monkeypatch.setattr(checks, "_look_at", lambda *_: pytest.fail("counted a third time"))
    np.testing.assert_array_equal(checks.check_rows("set", maker, tmp_path, None, places, print), found)


def test_facts_about_pictures_that_were_damaged_are_found_out_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names, stamps = [f"/pictures/{n}" for n in range(100)], np.ones((100, 2), np.int64)
    facts = Facts("whole", "u1", names, stamps)
    facts.put(np.arange(100), np.ones(100, np.uint8))
    facts.save()
    assert Facts("whole", "u1", names, stamps).known.all()
    (path,) = tmp_path.rglob("*.npy")
    middle(path)
    assert not Facts("whole", "u1", names, stamps).known.any()


def test_every_bit_of_a_sealed_file_counts(tmp_path):
    data = sealed(b"what was written")
    assert unsealed(data) == b"what was written"
    for place in range(8 * len(data)):
        other = bytearray(data)
        other[place // 8] ^= 1 << place % 8
        assert unsealed(bytes(other)) is None
    assert all(unsealed(data[:size]) is None for size in range(len(data)))
    (tmp_path / "file").write_bytes(b"what was written")
    seal(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == data
