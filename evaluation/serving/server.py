"""A server as a process: started on a free port, waited for while it gets on, and ended, come what may."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.progress import ProgressState, tell_progress
from data_builders.shared.terminal import say

from .log import Log
from .vllm import HOST, KEY_VARIABLE, Settings, Vllm, command, environment

KEEPER = Path(__file__).with_name("keeper.py")
PORTS = 5  # that are tried: between finding a free one and taking it, somebody else may
LOOK_SECONDS = 0.5
REPLY_SECONDS = 10.0
SILENT_SECONDS = 1200.0  # without a word in its log: compiling kernels for a new device takes minutes without one
BEAT_SECONDS = 60.0
GRACE_SECONDS = 15.0  # for ending when asked to
ENDING_SECONDS = 60.0  # from the first request that fails to the end of a server that has lost its engine


class Server:
    """One that runs. `url`: OpenAI's protocol."""

    def __init__(self, keeper: subprocess.Popen, port: int, log: Log, settings: Settings, key: str) -> None:
        self.keeper, self.log, self.settings, self.key = keeper, log, settings, key
        self.address = f"http://{HOST}:{port}"
        self.url = f"{self.address}/v1"

    @property
    def gone(self) -> bool:
        return self.keeper.poll() is not None

    def refuse_if_gone(self, when: str) -> None:
        """UserError with the end of its log where the server has ended by itself."""
        if self.gone:
            raise UserError(f"vLLM has ended {when} (exit status {self.keeper.returncode}). {self.log.end()}")

    def refuse_unless_well(self, when: str) -> None:
        """UserError as from `refuse_if_gone`; also where it does not answer, which it may do again soon."""
        until = time.monotonic() + ENDING_SECONDS
        while not self.well:
            self.refuse_if_gone(when)
            if time.monotonic() > until:
                raise UserError(f"vLLM does not answer any more {when}. {self.log.end()}")
            time.sleep(LOOK_SECONDS)

    @property
    def well(self) -> bool:
        """Does it answer, and is it this one: is the model that is served there under this name this folder?

        Somebody else's server may have come first to the port; it is not asked.
        """
        if self._get(f"{self.address}/health") is None or (listed := self._get(f"{self.url}/models")) is None:
            return False
        try:
            models = json.loads(listed)["data"]
            return any((one["id"], one["root"]) == (self.settings.name, str(self.settings.folder)) for one in models)
        except (ValueError, KeyError, TypeError):
            return False

    def _get(self, address: str) -> bytes | None:
        asked = urllib.request.Request(address, headers={"Authorization": f"Bearer {self.key}"})
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(asked, timeout=REPLY_SECONDS) as reply:
                return reply.read() if reply.status == 200 else None
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def wait(self, silent_seconds: float = SILENT_SECONDS) -> None:
        """Until it is well. UserError when it ends, or its log gets no longer for so many seconds."""
        begun = heard = said = time.monotonic()
        size = -1
        while not self.well:
            self.refuse_if_gone("while it was starting")
            now, grown = time.monotonic(), self.log.size
            if grown != size:
                size, heard = grown, now
            if now - heard > silent_seconds:
                raise UserError(
                    f"vLLM is not up and has said nothing for {(now - heard) / 60:.0f} min. {self.log.end()}"
                )
            tell_progress(ProgressState("starting vLLM", 0, 1, "of 1", note=self.log.last))
            if now - said >= BEAT_SECONDS:
                said = now
                say(f"starting vLLM, {(now - begun) / 60:.0f} min so far: {self.log.last}", file=sys.stderr)
            time.sleep(LOOK_SECONDS)
        say(f"vLLM is up after {time.monotonic() - begun:.0f} s, at {self.address}", file=sys.stderr)

    def end(self) -> None:
        """End it and all that it has started; returns when they are gone."""
        with suppress(OSError):
            self.keeper.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.keeper.wait(3 * GRACE_SECONDS)


@contextmanager
def serving(vllm: Vllm, settings: Settings, log: Path, *, silent_seconds: float = SILENT_SECONDS) -> Iterator[Server]:
    """A server that is well. It is ended at the end, and when this process is gone, however it went.

    `log`: the file that it writes to, anew. UserError with the end of the log when it does not come up.
    """
    key = secrets.token_hex(16)  # other users of this host reach the port too
    log.parent.mkdir(parents=True, exist_ok=True)
    for left in reversed(range(PORTS)):
        server = _start(vllm, settings, log, key)
        try:
            try:
                server.wait(silent_seconds)
            except UserError:
                if left and server.gone and server.log.port_taken:
                    continue
                raise
            with _reached(key):
                yield server
            return
        finally:
            server.end()


def _start(vllm: Vllm, settings: Settings, log: Path, key: str) -> Server:
    port = free_port()
    words = command(vllm, settings, port)
    log.unlink(missing_ok=True)
    with open(log, "xb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-I", str(KEEPER), str(GRACE_SECONDS), *words],
            stdin=subprocess.PIPE,  # closed with this process
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(vllm, settings, key),
            cwd=log.parent,
            start_new_session=True,  # what is sent to this process's group does not reach it
        )
    return Server(keeper, port, Log(log), settings, key)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@contextmanager
def _reached(key: str) -> Iterator[None]:
    """Inside, this process's clients have the server's key and reach it without a proxy."""
    names = (KEY_VARIABLE, "NO_PROXY", "no_proxy")
    before = {name: os.environ.get(name) for name in names}
    direct = ",".join(filter(None, (before["NO_PROXY"] or before["no_proxy"], HOST)))
    os.environ |= {KEY_VARIABLE: key, "NO_PROXY": direct, "no_proxy": direct}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
