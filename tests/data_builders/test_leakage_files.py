"""Equal files, and what is remembered about them."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_builders.leakage import cache, decoding, image_files
from data_builders.leakage.identical import identical
from data_builders.leakage.image_files import TAIL, Files
from data_builders.shared.code_identity import CodeIdentity


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "WORTH_KEEPING", 1)


def groups(paths: list[Path]) -> list[list[str]]:
    with Files(map(str, paths)) as files:
        return [[Path(files.paths[i]).name for i in group] for group in identical(files, np.arange(len(paths)))]


def test_files_are_equal_only_when_every_byte_is(tmp_path):
    body = bytes(range(256)) * 40  # longer than the tail
    contents = {
        "a": body,
        "b": body,
        "other_head": b"x" + body[1:],  # equal size and tail
        "other_tail": body[:-1] + b"x",
        "shorter": body[:-1],
        "as_long_as_the_tail": body[-TAIL:],
        "as_long_as_the_tail_not": body[1 - TAIL :] + b"x",
        "one_longer": b"x" + body[-TAIL:],
        "one_longer_not": b"x" + body[1 - TAIL :] + b"x",
        "tiny": b"tiny",
        "tiny_too": b"tiny",
        "tiny_not": b"tinx",
        "empty": b"",
        "empty_too": b"",
    }
    assert len(body) > TAIL
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert groups([tmp_path / name for name in contents]) == [["a", "b"], ["tiny", "tiny_too"]]


def test_files_of_a_size_of_their_own_are_not_opened(tmp_path, monkeypatch):
    paths = [tmp_path / f"{number}" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(b"x" * (number + 1))
    monkeypatch.setattr(Files, "_tail", staticmethod(lambda path: pytest.fail(f"{path} was read")))
    assert groups(paths) == []


def test_missing_and_empty_files_are_told_apart(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    with Files([str(tmp_path / name) for name in ("gone.jpg", "empty.jpg", "folder.jpg", "nul\0.jpg")]) as files:
        assert files.missing == [0, 2, 3]
        assert list(files.faults) == [1]
        assert "empty (0 bytes)" in files.faults[1]


def pictures(folder: Path, count: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        Image.new("RGB", (32, 32), (number % 256, number // 256, 7)).save(folder / f"{number}.png")
    return [str(folder / f"{number}.png") for number in range(count)]


def test_what_is_known_is_not_found_out_again_until_the_file_changes(tmp_path, monkeypatch):
    paths = pictures(tmp_path / "p", 6)
    with Files(paths) as files:
        first = files.looks(np.arange(6))
    asked = []
    looks = image_files.looks
    monkeypatch.setattr(image_files, "looks", lambda some: asked.extend(some) or looks(some))
    with Files(reversed(paths)) as files:
        assert (files.looks(np.arange(6))[::-1] == first).all()
    assert asked == []
    Image.new("RGB", (48, 32), (200, 100, 7)).save(paths[2])
    with Files(paths) as files:
        again = files.looks(np.arange(6))
    assert asked == [paths[2]]
    assert (again["colours"][2] != first["colours"][2]).any()
    with Files(pictures(tmp_path / "p", 3)) as files:  # others of the folder stay known
        files.looks(np.arange(3))
    asked.clear()
    with Files(paths[3:]) as files:
        files.looks(np.arange(3))
    assert asked == []


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_a_damaged_cache_is_no_cache(tmp_path, damage):
    paths = pictures(tmp_path / "p", 3)
    with Files(paths) as files:
        first = files.looks(np.arange(3))
    (kept,) = (tmp_path / "cache").rglob("*.npy")
    data = kept.read_bytes()
    kept.write_bytes({"cut": data[:-9], "empty": b"", "other": b"something else"}[damage])
    with Files(paths) as files:
        assert (files.looks(np.arange(3)) == first).all()


def test_what_other_code_found_out_is_found_out_again(tmp_path, monkeypatch):
    paths = pictures(tmp_path / "p", 3)
    with Files(paths) as files:
        files.looks(np.arange(3))
    monkeypatch.setattr("data_builders.leakage.cache.code_of", lambda *roots: CodeIdentity("0" * 16, {}))
    with Files(paths) as files:
        files.looks(np.arange(3))
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 2


def test_a_home_that_cannot_be_written_is_no_fault(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with Files(pictures(tmp_path / "p", 3)) as files:
        assert len(files.looks(np.arange(3))) == 3
    assert (tmp_path / "file").read_text() == "not a folder"


def test_two_processes_see_what_one_sees(tmp_path, monkeypatch):
    paths = [*pictures(tmp_path / "p", 70), str(tmp_path / "gone.png")]
    monkeypatch.setattr("data_builders.leakage.decoding.FEW", 10**9)
    alone = {place: (looks.tobytes(), faults) for place, looks, faults in image_files.looks(paths)}
    monkeypatch.setattr("data_builders.leakage.decoding.FEW", 1)
    monkeypatch.setattr("data_builders.leakage.decoding.PROCESSES", 2)
    both = {place: (looks.tobytes(), faults) for place, looks, faults in image_files.looks(paths)}
    assert both == alone
    assert list(both[64][1]) == [6]


def test_an_interrupted_look_keeps_what_it_found_and_leaves_no_process(tmp_path, monkeypatch):
    paths = pictures(tmp_path / "p", 100)
    monkeypatch.setattr(decoding, "FEW", 1)
    monkeypatch.setattr(decoding, "PROCESSES", 2)
    monkeypatch.setattr(decoding, "AT_ONCE", 4)
    started, looks, start = [], image_files.looks, decoding.start_worker
    sent, ask, end = [], decoding.ask, threading.Event()

    def ask_slowly(worker, some):
        sent.append(some)
        if len(sent) > 6:  # the interruption comes in the middle, however busy the machine is
            end.wait()
            worker.wait()  # until the interruption has ended it
        return ask(worker, some)

    monkeypatch.setattr(decoding, "ask", ask_slowly)
    monkeypatch.setattr(decoding, "start_worker", lambda: started.append(start()) or started[-1])

    def interrupted(some):
        for number, found in enumerate(looks(some)):
            if number == 2:
                end.set()
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(image_files, "looks", interrupted)
    with pytest.raises(KeyboardInterrupt), Files(paths) as files:
        files.looks(np.arange(100))
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)
    assert len(sent) < 25  # not all of the work
    asked = []
    monkeypatch.setattr(decoding, "ask", ask)
    monkeypatch.setattr(image_files, "looks", lambda some: asked.extend(some) or looks(some))
    with Files(paths) as files:
        files.looks(np.arange(100))
    assert len(asked) == 92
    assert not list((tmp_path / "cache").rglob("*.part"))
