"""The server's side of forkserver.py: imports what jobs need, then forks a process for each that is asked for."""

import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

from data_builders.shared.errors import told
from data_builders.shared.terminal import say

from .forkserver import MESSAGE_BYTES

ASK_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
INTERRUPTED = 130
MOST_SAID = 4000  # letters of a traceback


def main() -> None:
    """The server's side."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    try:
        import_libraries()
    except BaseException as error:
        send(connection, {"failed": told(error) or traceback.format_exc().rstrip()[-MOST_SAID:]})
        os._exit(1)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    for number in ASK_TO_STOP:
        signal.signal(number, signal.SIG_IGN)  # the parent decides
    running = True
    while running:
        ready, _, _ = select.select([connection, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            tell_ended(connection)
        if connection in ready:
            running = serve(connection, (woken, wake))
    os._exit(0)


def import_libraries() -> None:
    """What jobs import, once for all."""
    from fgtrain.jobs import KINDS, function_of

    for kind, (_, _, heavy) in KINDS.items():
        if heavy:
            function_of(kind)


def tell_ended(connection: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        send(connection, {"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def serve(connection: socket.socket, own: tuple[int, ...]) -> bool:
    """Fork what was asked for; False when there is nobody to ask any more."""
    try:
        content, handles, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 4)
    except OSError:
        return False
    if not content:
        return False
    asked = json.loads(content)
    # Ignored here, and lost there: they wait until the job has set what they do.
    signal.pthread_sigmask(signal.SIG_BLOCK, ASK_TO_STOP)
    pid = os.fork()
    if pid == 0:
        become_job(asked, list(handles), connection, own)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASK_TO_STOP)
    for handle in handles:
        os.close(handle)
    send(connection, {"pid": pid})
    return True


def become_job(asked: dict[str, Any], handles: list[int], connection: socket.socket, own: tuple[int, ...]) -> None:
    """In the forked process: be what `python -m fgtrain.jobs FOLDER` would be. Never returns."""
    status = 1
    try:
        os.setsid()
        connection.close()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASK_TO_STOP)
        for handle in own:
            os.close(handle)
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.environ.clear()
        os.environ.update(asked["environment"])
        from fgtrain.jobs.__main__ import main as job_main
        from fgtrain.processes import LISTENER

        if handles:
            os.environ[LISTENER] = str(handles[0])
        status = job_main([asked["folder"]])
    except KeyboardInterrupt:  # before the job could heed it
        status = INTERRUPTED
    except BaseException as error:  # of what comes before the job, which leaves its own faults
        say(told(error) or traceback.format_exc(), file=sys.stderr)
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def send(connection: socket.socket, message: dict[str, int | str]) -> None:
    try:
        connection.send(json.dumps(message).encode())
    except OSError:
        os._exit(0)  # the parent is gone


if __name__ == "__main__":
    main()
