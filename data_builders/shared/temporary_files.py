"""Files that are being written, beside those that they are to become: nobody else's, and no link to somebody else's."""

import errno
import os
import secrets
from pathlib import Path

from .locks import locked_until_closed


def open_temporary(path: Path) -> tuple[int, Path]:
    """An empty file beside `path` that nobody else writes, open and locked; who may read it is as the umask says.

    Its name is the same each time, so that the next writer takes over what a killed one left; only while somebody
    writes it, or where files cannot be locked, it is another.
    """
    temporary = path.with_name(f".{path.name}.part")
    handle = _open_no_link(temporary)
    mine = locked_until_closed(handle)
    # Whoever had the lock before may have renamed the file meanwhile.
    if mine and _is_at(handle, temporary):
        os.ftruncate(handle, 0)
        return handle, temporary
    if mine is None:
        temporary.unlink(missing_ok=True)
    os.close(handle)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    return os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), temporary


def open_to_others(folder: Path) -> None:
    """Give every file of the folder the rights that the umask says: some libraries write for the owner alone."""
    handle, probe = open_temporary(folder / "rights")
    rights = os.fstat(handle).st_mode & 0o777
    probe.unlink()
    os.close(handle)
    for path in folder.iterdir():
        if path.is_file() and not path.is_symlink():
            path.chmod(rights)


def _open_no_link(path: Path) -> int:
    """Open the file itself: where another user's link to a file elsewhere was put, that is removed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    path.unlink(missing_ok=True)
    return os.open(path, flags | os.O_EXCL, 0o666)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
