"""Arrays on disk: what is in the index is whole, whoever was killed or writes at the same time."""

import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_builders.shared.array_store import ArrayStore

ROW_BYTES = 16


def value(key: str) -> np.ndarray:
    return np.array([[int(key), 1.5], [-1.0, int(key) ** 2]], np.float32)


def assert_holds(store: ArrayStore, keys: list[str]) -> None:
    np.testing.assert_array_equal(store.get(keys), np.stack([value(key) for key in keys]))


def test_a_store_whose_writer_was_killed_anywhere_loses_only_what_was_being_written(tmp_path):
    """The index cut at every byte, as a killed writer leaves it, or the rows, as a power cut does."""
    keys = [str(n) for n in range(6)]
    whole = ArrayStore(tmp_path / "whole")
    whole.add(keys[:3], np.stack([value(key) for key in keys[:3]]))
    index = whole.index.read_bytes()
    cuts = [("index.jsonl", size, max(index[:size].count(b"\n") - 1, 0)) for size in range(len(index))]
    cuts += [("rows.f32", size, size // ROW_BYTES) for size in range(3 * ROW_BYTES)]
    for name, size, left in cuts:
        folder = shutil.copytree(tmp_path / "whole", tmp_path / f"{name}-{size}")
        with open(folder / name, "r+b") as file:
            file.truncate(size)
        reader, writer = ArrayStore(folder), ArrayStore(folder)
        assert [key for key in keys if key in reader] == keys[:left]
        if left:
            assert_holds(reader, keys[:left])
        writer.add(keys[:5], np.stack([value(key) for key in keys[:5]]))
        reader.refresh()
        for store in (reader, writer, ArrayStore(folder)):
            assert len(store) == 5
            assert_holds(store, keys[:5])
        writer.add(keys[5:], value(keys[5])[None])
        reader.refresh()
        assert_holds(reader, keys)


def test_rows_whose_writer_was_killed_before_the_index_are_not_there(tmp_path):
    store = ArrayStore(tmp_path)
    store.add(["1"], value("1")[None])
    with open(store.data, "ab") as file:
        file.write(value("7").tobytes() + b"\x01\x02\x03")
    again = ArrayStore(tmp_path)
    assert len(again) == 1
    again.add(["2"], value("2")[None])
    assert_holds(ArrayStore(tmp_path), ["2", "1"])


def _write(folder: Path, keys: list[str]) -> None:
    store = ArrayStore(folder)
    for key in keys:
        store.add([key], value(key)[None])
        assert_holds(store, [key])


def test_two_processes_write_at_once_and_each_key_is_stored_once(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=_write, args=(tmp_path, [str(n) for n in numbers]))
        for numbers in (range(30), range(40, 10, -1))
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    store = ArrayStore(tmp_path)
    assert_holds(store, [str(n) for n in range(41)])
    assert store.data.stat().st_size == 41 * ROW_BYTES
    assert len(store.index.read_text().splitlines()) == 1 + 41  # the shape, and each key once


def test_a_store_holds_one_shape(tmp_path):
    store = ArrayStore(tmp_path)
    assert store.get([]).shape == (0,)
    store.add(["1"], value("1")[None])
    with pytest.raises(ValueError, match="holds arrays of shape"):
        store.add(["2"], np.zeros((1, 3, 3), np.float32))
    with pytest.raises(KeyError):
        store.get(["2"])
    assert store.get([]).shape == (0, 2, 2)
