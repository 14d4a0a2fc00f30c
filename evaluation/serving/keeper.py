"""python -I keeper.py GRACE_SECONDS COMMAND ...: starts a server and ends it, with all that it has started.

It ends the server when its standard input, which the starter holds open, comes to its end, or the starter is gone: so
also where the starter is killed by force. It is a process of its own, in a session of its own, and imports nothing of
this project, so that it is there at once and stays small.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

LOOK_SECONDS = 0.2
PR_SET_PDEATHSIG = 1


def die_with_keeper() -> None:
    """In the server's first process: it does not outlive a keeper that is killed by force (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def starter_gone(starter: int) -> bool:
    """Has whoever holds the other end of standard input let it go, or died while another process held it too?"""
    readable, _, _ = select.select([0], [], [], LOOK_SECONDS)
    return (bool(readable) and not os.read(0, 4096)) or os.getppid() != starter


def there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end(server: subprocess.Popen, grace_seconds: float) -> None:
    """Ask the server's whole group to end; by force what has not ended in time."""
    for sent, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, grace_seconds)):
        try:
            os.killpg(server.pid, sent)
        except ProcessLookupError:
            return
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            server.poll()  # a process that has ended is there until somebody asks for its status
            if not there(server.pid):
                return
            time.sleep(LOOK_SECONDS / 4)


def main(words: list[str]) -> int:
    grace_seconds, command, starter = float(words[0]), words[1:], os.getppid()
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(ignored, signal.SIG_IGN)  # they are for the starter, which then lets go

    def prepare() -> None:
        for default in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(default, signal.SIG_DFL)
        die_with_keeper()

    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=prepare)
    while server.poll() is None and not starter_gone(starter):
        pass
    end(server, grace_seconds)
    status = server.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
