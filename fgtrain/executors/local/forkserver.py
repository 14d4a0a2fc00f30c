"""A process that has imported the large libraries once, and forks a job's process in no time.

    parent -> server   {"folder", "environment", "log"}, and a listening socket for the first of a group
    server -> parent   {"pid"}; when one has ended, {"ended": pid, "status"}; {"failed"} where it cannot import them

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
from contextlib import suppress
from pathlib import Path

MESSAGE_BYTES = 1 << 18
SERVER = "fgtrain.executors.local.fork_main"


class Forked:
    """A process that the server forks, now or as soon as its libraries are imported."""

    def __init__(self, server: "ForkServer") -> None:
        self.server = server
        self.pid: int | None = None
        self.status: int | None = None
        self.lost = ""  # why nobody can tell how it ended
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


def by_signal(number: int) -> str:
    """How a process ended that a signal has ended, in words."""
    why = " (out of memory, if nobody else ended it)" if number == signal.SIGKILL else ""
    return f"was ended by {signal.Signals(number).name}{why}"


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

    GONE_SECONDS = 5.0  # that it may take to end once it has closed the connection
    READ_WHEN_IMPORTED = ("HF_HUB_OFFLINE", "DS_ACCELERATOR", "OMP_NUM_THREADS", "PYTHONPATH")

    def __init__(self, environment: Mapping[str, str], leash: int) -> None:
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", SERVER, str(theirs.fileno())],
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
        with suppress(OSError):  # it is gone: why, is found out where it is listened to
            socket.send_fds(self.connection, [message], [] if listener is None else [listener.fileno()])
        return process

    def listen(self) -> None:
        """Take in what the server has said."""
        while self.alive and select.select([self.connection], [], [], 0)[0]:
            try:
                content = self.connection.recv(MESSAGE_BYTES)
            except ConnectionResetError:
                continue  # it left without reading all; what it has said comes behind this
            except OSError:
                content = b""
            if not content:
                return self._lost()
            said = json.loads(content)
            if "failed" in said:
                return self._lost(f"the libraries that it needs cannot be imported:\n{said['failed']}")
            if "ended" in said:
                self.running.pop(said["ended"]).status = said["status"]
            else:
                process = self.waiting.popleft()
                self.running[said["pid"]] = process
                process.begins(said["pid"])

    def _lost(self, why: str = "") -> None:
        """Nobody can tell any more how its processes end: they are ended."""
        self.alive = False
        why = why or f"the process that starts it, with the libraries imported, {self._end()}"
        for process in (*self.waiting, *self.running.values()):
            if process.pid is not None:
                send_to(process.pid, signal.SIGKILL)
            process.status, process.lost = 1, why

    def _end(self) -> str:
        """How the server has ended, in words."""
        try:
            status = self.process.wait(self.GONE_SECONDS)
        except subprocess.TimeoutExpired:
            return "does not answer any more"
        return by_signal(-status) if status < 0 else f"ended with status {status}"

    def close(self) -> None:
        self.alive = False
        self.connection.close()
        self.process.kill()
        self.process.wait()
