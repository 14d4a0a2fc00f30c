"""Who holds a lock, in both ways that there are: the file system's own locks, and files of ours where it has none."""

import fcntl
import json
import multiprocessing
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from lock_fakes import MODES, start, without_flock

from data_builders.shared import flock_scope, lock_files, locks
from data_builders.shared.errors import UserError
from data_builders.shared.locks import locked

HOLDER = """
import sys
from pathlib import Path
from data_builders.shared.locks import locked
with locked(Path(sys.argv[1]), shared=len(sys.argv) > 2):
    print("holds", flush=True)
    sys.stdin.readline()
"""
ELSEWHERE = {"host": "elsewhere", "machine": "another kernel", "pid": 1, "started": "1", "token": "theirs"}


@pytest.fixture(params=MODES)
def mode(request, monkeypatch):
    if request.param == "files":
        without_flock(monkeypatch)
    return request.param


@pytest.fixture
def unknown_mounts(monkeypatch):
    """Nothing is known yet about any file system."""
    monkeypatch.setattr(flock_scope, "_known", {})


@pytest.fixture
def held(tmp_path):
    """Starts a process that holds the lock until it is given a line."""
    running = []

    def hold(path: Path, mode: str, *shared: str):
        process = start(HOLDER, path, *shared, mode=mode, folder=tmp_path)
        running.append(process)
        assert process.stdout.readline() == "holds\n", process.stderr.read()
        return process

    yield hold
    for process in running:
        process.kill()
        process.communicate()


def _count(lock: Path, counter: Path, times: int) -> None:
    for _ in range(times):
        with locked(lock):
            counter.write_text(str(int(counter.read_text()) + 1))


def in_processes(number: int, target, *arguments) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=target, args=arguments) for _ in range(number)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0


def test_processes_at_one_lock_lose_no_count(tmp_path, mode):
    counter = tmp_path / "counter"
    counter.write_text("0")
    in_processes(4, _count, tmp_path / "new" / ".lock", counter, 25)
    assert counter.read_text() == "100"


def test_threads_of_one_process_exclude_each_other(tmp_path, mode):
    counter = tmp_path / "counter"
    counter.write_text("0")
    threads = [threading.Thread(target=_count, args=(tmp_path / ".lock", counter, 10)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "40"


def test_a_lock_that_is_free_again_leaves_nothing_that_grows(tmp_path, mode):
    for _ in range(20):
        with locked(tmp_path / ".lock"):
            pass
        with locked(tmp_path / ".lock", shared=True), locked(tmp_path / ".lock", shared=True):
            pass
    assert len(list(tmp_path.rglob("*"))) == (1 if mode == "flock" else 3)  # the lock; its folder and the last turn
    assert not locks._held
    assert not lock_files._beating


def test_who_does_not_wait_is_told_at_once(tmp_path, mode, held):
    holder = held(tmp_path / ".lock", mode)
    for shared in (False, True):
        with pytest.raises(UserError, match="in use"), locked(tmp_path / ".lock", busy="in use", shared=shared):
            pass
    holder.communicate("\n")
    with locked(tmp_path / ".lock", busy="in use"):
        pass


def test_who_waits_says_so_once_and_has_it_when_it_is_free(tmp_path, mode, held, monkeypatch):
    holder, told, looks = held(tmp_path / ".lock", mode), [], []

    def printed(*words, **_):
        told.append(words)
        if mode == "flock":
            holder.stdin.write("\n")
            holder.stdin.flush()

    def slept(_):
        looks.append(_)
        if len(looks) == 3:
            holder.communicate("\n")

    monkeypatch.setattr("builtins.print", printed)
    monkeypatch.setattr(lock_files, "time", SimpleNamespace(sleep=slept))
    monkeypatch.setattr(locks, "_told", {os.getpid()})
    monkeypatch.setattr(locks, "PATIENCE", 0)
    with locked(tmp_path / ".lock", waiting="another builds it"):
        assert told == [("another builds it",)]


def test_who_waits_for_a_moment_says_nothing(tmp_path, mode, held, monkeypatch, capsys):
    """Under a clock that stands still: the lock is free before the patience is over."""
    holder, looks = held(tmp_path / ".lock", mode), []

    def slept(_):
        looks.append(_)
        if len(looks) == 3:
            holder.communicate("\n")

    stopped = SimpleNamespace(sleep=slept, monotonic=lambda: 0.0)
    monkeypatch.setattr(lock_files, "time", stopped)
    monkeypatch.setattr(locks, "time", stopped)
    monkeypatch.setattr(locks, "_told", {os.getpid()})
    with locked(tmp_path / ".lock", waiting="another builds it"):
        assert len(looks) >= 3
    assert capsys.readouterr().err == ""


def test_who_shares_is_beside_others_and_who_does_not_waits_for_all(tmp_path, mode, held):
    one = held(tmp_path / ".lock", mode, "shared")
    two = held(tmp_path / ".lock", mode, "shared")
    with locked(tmp_path / ".lock", busy="in use", shared=True):
        pass
    for holder in (one, two):
        with pytest.raises(UserError, match="in use"), locked(tmp_path / ".lock", busy="in use"):
            pass
        holder.communicate("\n")
    with locked(tmp_path / ".lock", busy="in use"):
        pass


@pytest.mark.parametrize("shared", [(), ("shared",)], ids=["alone", "shared"])
def test_a_killed_holder_holds_nothing(tmp_path, mode, held, shared):
    holder = held(tmp_path / ".lock", mode, *shared)
    holder.kill()
    holder.wait()
    with locked(tmp_path / ".lock", busy="in use"):
        pass


def test_a_killed_holder_whose_parent_has_not_asked_for_it_holds_nothing(tmp_path, mode, held):
    holder = held(tmp_path / ".lock", mode)
    holder.kill()
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    with locked(tmp_path / ".lock", busy="in use"):
        pass


FORKS = """
import os, sys, time
from pathlib import Path
from data_builders.shared.locks import locked
with locked(Path(sys.argv[1])):
    reading, writing = os.pipe()
    if not os.fork():
        sys.stdout.close()
        os.write(writing, b"!")
        sys.stdin.read()
        os._exit(0)
    os.read(reading, 1)
    print("holds", flush=True)
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_holder_forked_holds_nothing(tmp_path, mode):
    process = start(FORKS, tmp_path / ".lock", mode=mode, folder=tmp_path)
    assert process.stdout.readline() == "holds\n"
    process.wait()
    with locked(tmp_path / ".lock", busy="in use"):
        pass
    process.stdin.close()  # the fork ends
    process.stdout.close()
    process.stderr.close()


class Left(Exception):
    pass


def test_a_fork_that_leaves_the_block_gives_nothing_back(tmp_path, mode):
    with locked(tmp_path / ".lock"):
        parent = os.getpid()
        try:
            with locked(tmp_path / "inner.lock"):
                fork = os.fork()
                if not fork:
                    raise Left
                assert os.waitpid(fork, 0) == (fork, 0)
                with pytest.raises(UserError), locked(tmp_path / "inner.lock", busy="in use"):
                    pass
        except Left:
            os._exit(0)
        assert os.getpid() == parent


def test_a_thread_that_would_wait_for_itself_is_told(tmp_path, mode):
    for first, second in ((False, False), (True, False), (False, True)):
        with locked(tmp_path / ".lock", shared=first):
            with pytest.raises(RuntimeError, match="held by this very thread"):
                with locked(tmp_path / ".lock", shared=second):
                    pass
    with locked(tmp_path / ".lock"), locked(tmp_path / "other.lock"):
        pass


def test_a_lock_whose_folder_was_removed_is_held_at_its_place(tmp_path, held, monkeypatch):
    holder = held(tmp_path / "folder" / ".lock", "flock")
    flock, waits = fcntl.flock, []

    def remove_then(handle, kind):
        if not kind & (fcntl.LOCK_NB | fcntl.LOCK_UN):
            waits.append(kind)
            (tmp_path / "folder" / ".lock").unlink()
            holder.communicate("\n")
        return flock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", remove_then)
    with locked(tmp_path / "folder" / ".lock"):
        assert len(waits) == 1
        with pytest.raises(UserError), locked(tmp_path / "folder" / ".lock", busy="in use"):
            pass


def test_a_planted_link_is_not_followed(tmp_path):
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), locked(tmp_path / ".lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["ENOLCK", "ENOSYS", "EBADF", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_told_once(tmp_path, name):
    code = HOLDER.replace("sys.stdin.readline()", "") * 2
    process = start(code, tmp_path / ".lock", mode="files", folder=tmp_path, name=name)
    out, told = process.communicate()
    assert (process.returncode, out) == (0, "holds\n" * 2), told
    assert told.count("has no file locks that all machines share: held by files of our own") == 1
    assert str(tmp_path) in told


def test_where_flock_says_yes_to_everybody_processes_lose_no_count(tmp_path, monkeypatch, unknown_mounts):
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    counter = tmp_path / "counter"
    counter.write_text("0")
    in_processes(4, _count, tmp_path / ".lock", counter, 25)
    assert counter.read_text() == "100"


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ("rw,relatime - lustre mds@tcp:/scratch rw,flock,lazystatfs", True),
        ("rw,relatime - lustre mds@tcp:/scratch rw,localflock,lazystatfs", False),
        ("rw,relatime - nfs4 server:/home rw,vers=4.2,local_lock=none,addr=10.0.0.1", True),
        ("rw,relatime - nfs server:/home rw,vers=3,nolock,local_lock=all,addr=10.0.0.1", False),
        ("rw,relatime shared:7 - ext4 /dev/sda1 rw", True),
    ],
)
def test_locks_that_are_one_machines_own_are_no_locks(tmp_path, monkeypatch, unknown_mounts, options, kept):
    device = os.stat(tmp_path).st_dev
    mounts = tmp_path / "mountinfo"
    other = "36 1 98:0 / /other rw - lustre mds@tcp:/other rw,localflock"
    mounts.write_text(f"{other}\n37 1 {os.major(device)}:{os.minor(device)} / /here {options}\n")
    monkeypatch.setattr(flock_scope, "MOUNTS", mounts)
    with locked(tmp_path / ".lock"):
        assert (tmp_path / ".lock.held").exists() != kept
        with pytest.raises(UserError), locked(tmp_path / ".lock", busy="in use"):
            pass
    handle = os.open(tmp_path / "part", os.O_RDWR | os.O_CREAT)
    assert locks.locked_until_closed(handle) == (True if kept else None)
    os.close(handle)


# What follows holds where files of our own stand for locks.


def left_behind(folder: Path, owner: dict, seconds: float, kind: str = "1", mark: bytes = lock_files.HELD_MARK) -> Path:
    """What an owner left whose last sign of life was that long ago."""
    folder.mkdir(exist_ok=True)
    entry = folder / kind
    entry.write_bytes(json.dumps(owner).encode() + mark)
    beat = entry.stat().st_mtime - seconds
    os.utime(entry, (beat, beat))
    return entry


@pytest.mark.parametrize(("kind", "mark"), [("1", lock_files.HELD_MARK), ("shared.theirs", b"")])
def test_a_holder_on_another_machine_is_gone_when_it_gives_no_sign_of_life(tmp_path, monkeypatch, kind, mark):
    without_flock(monkeypatch)
    folder = tmp_path / ".lock.held"
    left_behind(folder, ELSEWHERE, lock_files.DEAD_AFTER_SECONDS - 60, kind, mark)
    with pytest.raises(UserError), locked(tmp_path / ".lock", busy="in use"):
        pass
    left_behind(folder, ELSEWHERE, lock_files.DEAD_AFTER_SECONDS + 60, kind, mark)
    with locked(tmp_path / ".lock", busy="in use"):
        pass


@pytest.mark.parametrize("content", [b"\0" * 80, b"7", b'{"pid": 1}'])
def test_what_a_power_cut_left_is_gone_when_it_gives_no_sign_of_life(tmp_path, monkeypatch, content):
    without_flock(monkeypatch)
    entry = left_behind(tmp_path / ".lock.held", {}, lock_files.DEAD_AFTER_SECONDS + 60)
    beat = entry.stat().st_mtime
    entry.write_bytes(content + lock_files.HELD_MARK)
    with pytest.raises(UserError), locked(tmp_path / ".lock", busy="in use"):
        pass
    os.utime(entry, (beat, beat))
    with locked(tmp_path / ".lock", busy="in use"):
        pass


def test_another_process_with_the_same_number_is_not_the_holder(tmp_path, monkeypatch):
    without_flock(monkeypatch)
    here = {"host": "here", "machine": lock_files._machine(), "token": "theirs"}
    started = lock_files._started(os.getppid())
    left_behind(tmp_path / ".lock.held", {**here, "pid": os.getppid(), "started": started}, 10**6)
    with pytest.raises(UserError), locked(tmp_path / ".lock", busy="in use"):
        pass
    left_behind(tmp_path / ".lock.held", {**here, "pid": os.getppid(), "started": "0"}, 0)
    with locked(tmp_path / ".lock", busy="in use"):
        pass


def test_the_sign_of_life_is_given_while_it_is_held(tmp_path, monkeypatch):
    without_flock(monkeypatch)
    monkeypatch.setattr(lock_files, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(lock_files, "_beats", False)  # the thread that runs has the other pace
    with locked(tmp_path / ".lock"):
        (turn,) = (tmp_path / ".lock.held").iterdir()
        os.utime(turn, (0, 0))
        given = threading.Event()
        while turn.stat().st_mtime == 0:
            given.wait(0.01)


def _count_after_dead(lock: Path, counter: Path, rounds: int, barrier) -> None:
    for number in range(rounds):
        if barrier.wait() == 0:
            turn = max(map(int, os.listdir(lock.with_name(".lock.held"))), default=0)
            left_behind(lock.with_name(".lock.held"), ELSEWHERE, 10**6, str(turn or 1))
        barrier.wait()
        _count(lock, counter, 1)
        assert number < rounds


def test_of_all_who_find_a_holder_dead_one_at_a_time_takes_over(tmp_path, monkeypatch):
    without_flock(monkeypatch)
    (tmp_path / ".lock.held").mkdir()
    counter = tmp_path / "counter"
    counter.write_text("0")
    barrier = multiprocessing.get_context("fork").Barrier(4)
    in_processes(4, _count_after_dead, tmp_path / ".lock", counter, 20, barrier)
    assert counter.read_text() == "80"


def test_a_number_that_was_taken_before_gives_no_turn(tmp_path, monkeypatch):
    """Somebody reads the numbers, sleeps while others come and go, and then takes the next one of what it read."""
    without_flock(monkeypatch)
    for _ in range(3):
        with locked(tmp_path / ".lock"):
            pass
    with locked(tmp_path / ".lock"):
        read, calls = lock_files._turns, []

        def old_at_first(folder):
            calls.append(folder)
            return [] if len(calls) == 1 else read(folder)

        monkeypatch.setattr(lock_files, "_turns", old_at_first)
        with pytest.raises(UserError, match="in use"), locked(tmp_path / ".lock", busy="in use"):
            pass
        assert len(calls) > 2
    assert len(list((tmp_path / ".lock.held").iterdir())) == 1
