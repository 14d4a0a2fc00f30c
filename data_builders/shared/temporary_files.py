"""Files that are being written, beside those that they are to become: nobody else's, and no link to somebody else's."""

import errno
import os
import secrets
import stat
from pathlib import Path

from .locks import locked_until_closed

FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def open_temporary(path: Path) -> tuple[int, Path]:
    """An empty file beside `path` that nobody else writes, open and locked; who may read it is as the umask says.

    Its name is the same each time, so that the next writer takes over what a killed one left. While somebody writes it,
    where files cannot be locked, and where something was put there that is no file of this user's own (a link of either
    kind to a file elsewhere, a pipe), it is a name that nobody can guess.
    """
    temporary = path.with_name(f".{path.name}.part")
    handle = _open_own(temporary)
    if handle is not None:
        mine = locked_until_closed(handle)
        # Whoever had the lock before may have renamed the file meanwhile.
        if mine and _is_at(handle, temporary):
            os.ftruncate(handle, 0)
            return handle, temporary
        if mine is None:
            temporary.unlink(missing_ok=True)
        os.close(handle)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    return os.open(temporary, FLAGS | os.O_EXCL, 0o666), temporary


def open_to_others(folder: Path) -> None:
    """Give every file of the folder the rights that the umask says: some libraries write for the owner alone."""
    handle, probe = open_temporary(folder / "rights")
    rights = os.fstat(handle).st_mode & 0o777
    probe.unlink()
    os.close(handle)
    for path in folder.iterdir():
        if path.is_file() and not path.is_symlink():
            path.chmod(rights)


def _open_own(path: Path) -> int | None:
    """The file, new or as a killed process of this user has left it; None where something else has the name."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        there = None
    if there is not None and not _own_file(there):
        if not stat.S_ISREG(there.st_mode) or there.st_nlink > 1:
            path.unlink()  # the name alone: what a link leads to stays
        return None
    try:
        handle = os.open(path, FLAGS, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return None
    # Looked at again: it may have been put there meanwhile.
    if _own_file(os.fstat(handle)):
        return handle
    os.close(handle)
    return None


def _own_file(there: os.stat_result) -> bool:
    # A file that a rename has just taken away has no name left.
    return stat.S_ISREG(there.st_mode) and there.st_nlink <= 1 and there.st_uid == os.geteuid()


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
