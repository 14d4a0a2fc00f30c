"""Locks between processes and between threads, on any file system. They belong to the work, not to whoever does it."""

import errno
import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError
from .flock_scope import keeps_others_out
from .lock_files import DEAD_AFTER_SECONDS, held_by_files
from .terminal import say

# Lustre mounted without flock, NFS without its lock server, NFSv4 and others where a file's mode does not fit.
UNSUPPORTED = frozenset([errno.ENOLCK, errno.ENOSYS, errno.EBADF, errno.EOPNOTSUPP])

PATIENCE, LOOK = 3.0, 0.05  # seconds that one waits without a word; between two looks meanwhile

_held: dict[int, tuple[tuple[int, int], int]] = {}  # open lock file -> (its device and inode, the thread that holds it)
_told: set[int] = set()  # the process that has said that there are no locks


@contextmanager
def locked(path: Path, *, waiting: str | None = None, busy: str | None = None, shared: bool = False) -> Iterator[None]:
    """Hold the lock file at `path`, which is made where it is missing; nobody else has it inside the `with`.

    `busy`: UserError with this text at once when another holds it. Otherwise it is waited for, and `waiting` is printed
    to stderr, once, after PATIENCE seconds. `shared`: beside others who hold it as shared.

    It is free when the process ends, however it ends, and even where children that it forked live on. Threads of one
    process exclude each other as processes do. It is not re-entrant: RuntimeError when a thread would wait for itself.
    Where files cannot be locked, or each machine's locks are its own, files of ours stand for locks (lock_files.py);
    the process says so once.
    """
    path = Path(path)
    told: list[str] = []
    since: list[float] = []

    def met() -> None:
        """Somebody else holds it."""
        if busy is not None:
            raise UserError(busy)
        if threading.get_ident() in [thread for place, thread in list(_held.values()) if place == _place(path)]:
            raise RuntimeError(f"{path} is held by this very thread, which would wait for itself")
        if not since:
            since.append(time.monotonic())
        if waiting is not None and not told and time.monotonic() - since[0] >= PATIENCE:
            told.append(waiting)
            say(waiting, file=sys.stderr)

    handle, locks = _take(path, met, shared)
    try:
        if locks:
            yield
        else:
            _say_once(path)
            with held_by_files(path.with_name(f"{path.name}.held"), met, shared):
                _held[handle] = (_place(path), threading.get_ident())
                yield
    finally:
        # A forked child that leaves the block has nothing to give back.
        if _held.pop(handle, None) is not None:
            if locks:
                # Not by closing alone: a program that is being started may have the file open for a moment too.
                fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)


def locked_until_closed(handle: int) -> bool | None:
    """Lock an open file for as long as it is open. False when another holds it, None where files cannot be locked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return None
    return True if keeps_others_out(handle) else None


def _take(path: Path, met: Callable[[], None], shared: bool) -> tuple[int, bool]:
    """The open lock file, and whether it is locked; False where files cannot be."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        handle = _opened(path)
        try:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                met()
                _wait(handle, kind, met)
            if not keeps_others_out(handle):
                _held[handle] = ((-1, -1), 0)  # not held yet
                return handle, False
            # Whoever held it may have removed the file, or the folder that it lies in.
            if _place(path) == _place(handle):
                _held[handle] = (_place(handle), threading.get_ident())
                return handle, True
        except OSError as error:
            if error.errno in UNSUPPORTED:
                _held[handle] = ((-1, -1), 0)  # not held yet
                return handle, False
            os.close(handle)
            raise
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _wait(handle: int, kind: int, met: Callable[[], None]) -> None:
    """`met` is called again when PATIENCE is over."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        time.sleep(LOOK)
        try:
            return fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
    met()
    fcntl.flock(handle, kind)


def _opened(path: Path) -> int:
    # For reading too: NFS refuses a shared lock on a file that is open for writing alone.
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def _place(file: Path | int) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _say_once(path: Path) -> None:
    if os.getpid() not in _told:
        _told.add(os.getpid())
        say(
            f"{path.parent.resolve()} has no file locks that all machines share: held by files of our own, which count "
            f"as left behind when their process is gone, or on another host after {DEAD_AFTER_SECONDS} seconds without "
            "a sign of life",
            file=sys.stderr,
        )


def _forget_in_child() -> None:
    """A fork has its parent's files open: it would hold the locks on when the parent is gone."""
    for handle in _held:
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)
