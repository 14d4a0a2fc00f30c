"""Writing whole or not at all, whoever else writes and whatever a killed process left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data_builders.shared.files import atomic_write

REPOSITORY = Path(__file__).resolve().parents[2]
WRITER = """
import sys, time
from data_builders.files import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write("half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
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
