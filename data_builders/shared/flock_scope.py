"""Whom a file lock keeps out: nobody, the processes of this machine, or those of all machines that see the file."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

# Mount options under which a lock is this machine's own: Lustre's, and what NFS shows for "nolock" and "local_lock".
OWN_LOCKS = frozenset(["localflock", "nolock", "local_lock=all", "local_lock=flock"])
MOUNTS = Path("/proc/self/mountinfo")

_known: dict[int, bool] = {}  # device -> what was found


def keeps_others_out(handle: int) -> bool:
    """Does the lock on this open file, held, keep out all others? Looked for once a file system."""
    device = os.fstat(handle).st_dev
    if device not in _known:
        _known[device] = not (mount_options(device) & OWN_LOCKS) and _excludes(handle)
    return _known[device]


def mount_options(device: int) -> set[str]:
    """Of the file system; none where they cannot be known."""
    number, found = f"{os.major(device)}:{os.minor(device)}", set()
    with suppress(OSError):
        for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
            mount, _, kind = line.partition(" - ")
            if mount.split()[2] == number:
                found |= {*mount.split()[5].split(","), *kind.split()[-1].split(",")}
    return found


def _excludes(handle: int) -> bool:
    """Some file systems say yes to everybody."""
    try:
        other = os.open(f"/proc/self/fd/{handle}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return True  # no /proc: nothing is known against it
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(other)
    return False
