"""A process that has imported the large libraries once, and forks a job's process in no time.

    parent -> server   {"folder", "environment", "log"}, and a listening socket for the first of a group
    server -> parent   {"pid"}; when one has ended, {"ended": pid, "status"}

It ends when its parent closes the connection or is gone.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MESSAGE_BYTES = 1 << 18


class Forked:
    """A process that the server forks, now or as soon as its libraries are imported."""

    def __init__(self, server: "ForkServer") -> None:
        self.server = server
        self.pid: int | None = None
        self.status: int | None = None
        self._early: list[int] = []  # signals for a process that is not there yet

    def poll(self) -> int | None:
        """Its exit status (negative: the signal that ended it), None while it runs."""
        self.server.listen()
        return self.status

    def signal(self, number: int) -> None:
        """To the process; SIGKILL to all that it has started, too."""
        if self.poll() is not None:
            return
        if self.pid is None:
            self._early.append(number)
        else:
            send_to(self.pid, number)

    def begins(self, pid: int) -> None:
        self.pid = pid
        for number in self._early:
            send_to(pid, number)


def send_to(pid: int, number: int) -> None:
    try:
        if number == signal.SIGKILL:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


class ForkServer:
    """The parent's side."""

    READ_WHEN_IMPORTED = ("HF_HUB_OFFLINE", "DS_ACCELERATOR", "OMP_NUM_THREADS", "PYTHONPATH")

    def __init__(self, environment: Mapping[str, str], leash: int) -> None:
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env={**environment, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"},
                pass_fds=[theirs.fileno(), leash],
                start_new_session=True,
            )
        self.waiting: deque[Forked] = deque()  # asked for, not begun
        self.running: dict[int, Forked] = {}
        self.alive = True

    def fork(self, folder: Path, environment: Mapping[str, str], log: Path, listener: socket.socket | None) -> Forked:
        """Start the job's process. `listener`: a socket that it inherits."""
        message = json.dumps({"folder": str(folder), "environment": dict(environment), "log": str(log)}).encode()
        process = Forked(self)
        self.waiting.append(process)
        try:
            socket.send_fds(self.connection, [message], [] if listener is None else [listener.fileno()])
        except OSError:
            self._lost()
        return process

    def listen(self) -> None:
        """Take in what the server has said."""
        while self.alive and select.select([self.connection], [], [], 0)[0]:
            try:
                content = self.connection.recv(MESSAGE_BYTES)
            except OSError:
                content = b""
            if not content:
                return self._lost()
            said = json.loads(content)
            if "ended" in said:
                self.running.pop(said["ended"]).status = said["status"]
            else:
                process = self.waiting.popleft()
                self.running[said["pid"]] = process
                process.begins(said["pid"])

    def _lost(self) -> None:
        """Nobody can tell any more how its processes end: they are ended."""
        self.alive = False
        for process in (*self.waiting, *self.running.values()):
            if process.pid is not None:
                send_to(process.pid, signal.SIGKILL)
            process.status = -signal.SIGKILL

    def close(self) -> None:
        self.alive = False
        self.connection.close()
        self.process.kill()
        self.process.wait()


def main() -> None:
    """The server's side."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    import_libraries()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
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
    pid = os.fork()
    if pid == 0:
        become_job(asked, list(handles), connection, own)
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
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def send(connection: socket.socket, message: dict[str, int]) -> None:
    try:
        connection.send(json.dumps(message).encode())
    except OSError:
        os._exit(0)  # the parent is gone


if __name__ == "__main__":
    main()
