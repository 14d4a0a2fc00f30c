"""Writing whole or not at all, whoever else writes and whatever a killed process left."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lock_fakes import without_flock

from data_builders.shared.errors import UserError
from data_builders.shared.files import atomic_path, atomic_write, user_cache, write_bytes, write_json
from data_builders.shared.temporary_files import open_to_others

REPOSITORY = Path(__file__).resolve().parents[2]
WRITER = """
import sys, time
from data_builders.shared.files import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write("half")
    file.flush()
    print("writing", flush=True)
    time.sleep(3600)
"""


def start_writer(path: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert process.stdout.readline() == "writing\n"
    return process


def test_what_a_killed_writer_left_is_taken_over(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("before")
    writer = start_writer(path)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert path.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2
    with atomic_write(path) as file:
        file.write("after")
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "rows.jsonl"
    with atomic_write(path) as one:
        one.write("one" * 10_000)
        with atomic_write(path) as other:
            other.write("other")
        assert path.read_text() == "other"
    assert path.read_text() == "one" * 10_000
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write("half" * (1 // len(path.suffix[:0])))
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_what_is_written_as_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        for name in ("one", "two"):
            with atomic_write(tmp_path / name) as outer, atomic_write(tmp_path / name) as inner:
                outer.write("o")
                inner.write("i")
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


@pytest.mark.parametrize("write", [lambda path: write_json(path, {}), lambda path: write_bytes(path, b"{}\n")])
def test_a_planted_link_costs_its_target_nothing(tmp_path, write):
    target, path = tmp_path / "mine.txt", tmp_path / "rows.json"
    target.write_text("mine")
    (tmp_path / ".rows.json.part").symlink_to(target)
    write(path)
    assert target.read_text() == "mine"
    assert path.read_text() == "{}\n"
    assert not path.is_symlink()
    assert set(tmp_path.iterdir()) == {target, path}


@pytest.mark.parametrize("locks", [True, False])
def test_what_a_library_writes_by_name_is_whole_or_not_there_and_others_may_read_it(tmp_path, monkeypatch, locks):
    if not locks:
        without_flock(monkeypatch)
    path, before = tmp_path / "rows.arrow", os.umask(0o027)
    try:
        with atomic_path(path) as temporary:
            temporary.unlink()
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
            temporary.write_text("whole")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half" * (1 // 0))
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_files_of_one_owner_are_opened_to_others_as_the_umask_says(tmp_path):
    (tmp_path / "weights").touch(0o600)
    before = os.umask(0o022)
    try:
        open_to_others(tmp_path)
    finally:
        os.umask(before)
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("weights", 0o644)]


def _write_often(path: Path, content: bytes) -> None:
    for _ in range(100):
        write_bytes(path, content)


@pytest.mark.parametrize("locks", [True, False])
def test_a_file_that_several_write_at_once_is_whole_all_the_time(tmp_path, monkeypatch, locks):
    """What a killed build started may go on drawing beside the next build."""
    if not locks:
        without_flock(monkeypatch)
    context, contents = multiprocessing.get_context("fork"), [bytes([number]) * 100_000 for number in range(3)]
    path = tmp_path / "one.jpg"
    write_bytes(path, contents[0])
    writers = [context.Process(target=_write_often, args=(path, content)) for content in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_home_it_is_said_how_to_name_one(monkeypatch):
    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", none)
    with pytest.raises(UserError, match="export XDG_CACHE_HOME=DIR"):
        user_cache()
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_cache() == Path("/somewhere/fgtrain")
