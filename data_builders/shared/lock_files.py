"""Locks made of files, for file systems that have none: who holds what stands in a folder.

Whoever wants anything takes a turn first. Turns are numbered files, each a hard link to a file that says whose it is;
the greatest number has the turn until that file is empty or its process is gone. The next turn is the next number, and
a number can be linked once: of two who find a holder dead, one wins. Who wants it alone keeps the turn; who shares
writes a file `shared.*` during a turn, and nobody keeps a turn beside one of those.

A process on this machine is gone when it does not run any more. One on another machine (or in a container with
processes of its own) renews its files' time, and counts as gone DEAD_AFTER_SECONDS after it has last done so, by the
file system's clock: one that is stopped for longer and then goes on has lost what it held.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

BEAT_SECONDS = 10
DEAD_AFTER_SECONDS = 120
POLL_SECONDS = (0.005, 0.5)  # at first, and at most
FREE, BRIEF, HELD = "free", "brief", "held"
HELD_MARK = b"\nheld\n"

_beating: dict[int, str] = {}  # open file -> its token
_guard = threading.Lock()
_beats = False  # is there a thread that renews them?


@contextmanager
def held_by_files(folder: Path, met: Callable[[], None], shared: bool) -> Iterator[None]:
    """Hold `folder`, alone or `shared`. `met` is called, and may raise, each time that somebody else is met in it."""
    mine = _waited_for(folder, met, shared)
    try:
        yield
    finally:
        mine.give_back()


class OwnFile:
    """A file that says which process has written it, and by its time that it lives."""

    def __init__(self, folder: Path, kind: str) -> None:
        token, pid = secrets.token_hex(8), os.getpid()
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{kind}.{token}"
        self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        _beat_from_now_on(self.handle, token)
        owner = {"host": socket.gethostname(), "machine": _machine(), "pid": pid, "started": _started(pid)}
        try:
            self.write(json.dumps(owner | {"token": token}).encode())
        except BaseException:
            self.give_back()
            raise

    @property
    def removed(self) -> bool:
        return os.fstat(self.handle).st_nlink == 0

    def write(self, content: bytes) -> None:
        os.write(self.handle, content)
        os.fsync(self.handle)  # other machines see it then

    def give_back(self) -> None:
        """What it stood for is free. In a forked child nothing happens."""
        with _guard:
            if _beating.pop(self.handle, None) is None:
                return
        try:
            # Emptied, not removed: a turn's number that was free again could be taken by one who is slow.
            os.ftruncate(self.handle, 0)
            os.fsync(self.handle)
            self.path.unlink(missing_ok=True)
        finally:
            os.close(self.handle)


def _waited_for(folder: Path, met: Callable[[], None], shared: bool) -> OwnFile:
    pause, longest = POLL_SECONDS
    mine = OwnFile(folder, "turn")
    try:
        while True:
            state = _take_turn(folder, mine)
            if state == FREE and shared:
                beside = OwnFile(folder, "shared")
                mine.give_back()
                return beside
            if state == FREE and not _is_shared(folder, mine):
                mine.write(HELD_MARK)
                return mine
            if state != BRIEF:
                met()
            if state == FREE:  # those who share it give it back without a turn, but others may want to join them
                mine.give_back()
            if state == FREE or mine.removed:
                mine = OwnFile(folder, "turn")
            time.sleep(pause)
            pause = min(2 * pause, longest)
    except BaseException:
        mine.give_back()
        raise


def _take_turn(folder: Path, mine: OwnFile) -> str:
    """FREE: the turn is mine. HELD: somebody keeps it. BRIEF: somebody has it for a moment, or was quicker."""
    last = max(_turns(folder), default=0)
    if last and (state := _state(folder / str(last), mine)) != FREE:
        return state
    turn = folder / str(last + 1)
    try:
        os.link(mine.path, turn)
    except FileNotFoundError:
        return BRIEF  # taken for dead, and removed
    except FileExistsError:
        # NFS may have made the link and lost the reply.
        if not os.path.samestat(os.stat(turn), os.fstat(mine.handle)):
            return BRIEF
    turns = _turns(folder)
    if max(turns, default=0) > last + 1:  # the number that was read had become old: this one was taken and removed
        turn.unlink(missing_ok=True)
        return BRIEF
    mine.path.unlink(missing_ok=True)
    for number in turns:
        if number <= last:
            (folder / str(number)).unlink(missing_ok=True)
    for left in folder.glob("turn.*"):
        with suppress(FileNotFoundError):
            if not _lives(*_read(left), mine):
                left.unlink()
    return FREE


def _turns(folder: Path) -> list[int]:
    try:
        return [int(name) for name in os.listdir(folder) if name.isdigit()]
    except FileNotFoundError:
        return []  # the work that it belongs to was deleted


def _state(turn: Path, mine: OwnFile) -> str:
    try:
        content, beat = _read(turn)
    except FileNotFoundError:
        return BRIEF  # it is old, and whoever has the turn has removed it
    if not content or not _lives(content, beat, mine):
        return FREE
    return HELD if content.endswith(HELD_MARK) else BRIEF


def _is_shared(folder: Path, mine: OwnFile) -> bool:
    """Does anybody alive share it? Asked by who has the turn alone, as it removes what the dead have left."""
    found = False
    for entry in folder.glob("shared.*"):
        with suppress(FileNotFoundError):
            content, beat = _read(entry)
            if content and _lives(content, beat, mine):
                found = True
            else:
                entry.unlink()
    return found


def _read(path: Path) -> tuple[bytes, float]:
    """What stands in the file, and when its owner last renewed it. FileNotFoundError."""
    with open(path, "rb") as file:  # opening asks the server; stat alone may answer from what the client remembers
        return file.read(), os.fstat(file.fileno()).st_mtime


def _lives(content: bytes, beat: float, mine: OwnFile) -> bool:
    try:
        owner = json.loads(content.removesuffix(HELD_MARK))
        machine, pid, started, token = (owner[key] for key in ("machine", "pid", "started", "token"))
    except (ValueError, TypeError, KeyError):
        machine = None  # not written yet, or by a machine that went down
    if machine == _machine():
        if pid == os.getpid():
            return token in _beating.values()
        if (runs := _runs(pid, started)) is not None:
            return runs
    os.utime(mine.handle)
    return os.fstat(mine.handle).st_mtime - beat <= DEAD_AFTER_SECONDS


@cache
def _machine() -> str:
    """Where a process number means the same process: the running kernel, and its container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> str | None:
    """When the process began, in its kernel's ticks; None when it has ended, or cannot be seen."""
    try:
        # The name in parentheses may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]  # Z, X: ended, but its parent has not asked yet


def _runs(pid: int, started: str | None) -> bool | None:
    """Does the process that began then run? None where that cannot be seen: another user's may be hidden."""
    if (found := _started(pid)) is not None or Path(f"/proc/{pid}").exists():
        return found == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return None


def _beat_from_now_on(handle: int, token: str) -> None:
    global _beats
    with _guard:
        _beating[handle] = token
        if not _beats:
            _beats = True
            threading.Thread(target=_beat, name="lock beats", daemon=True).start()


def _beat() -> None:
    while True:
        time.sleep(BEAT_SECONDS)
        with _guard:
            for handle in _beating:
                with suppress(OSError):  # the next beat may get through
                    os.utime(handle)


def _forget_in_child() -> None:
    """What a process holds is its own, not its forks'."""
    global _guard, _beats
    for handle in _beating:
        os.close(handle)
    _beating.clear()
    _guard, _beats = threading.Lock(), False


os.register_at_fork(after_in_child=_forget_in_child)
