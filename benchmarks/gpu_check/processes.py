"""A part in a process of its own, with all that it starts; ended at its limit, come what may."""

import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .found import Check, Found, NotHereError


@dataclass(frozen=True)
class Part:
    number: int
    name: str
    title: str
    limit: float  # seconds
    module: str  # of this package
    way: str = ""  # what of the module, where it knows several

    def run(self, check: Check, result: Path) -> int:
        """In this process. Returns its exit status; whatever happens is in the result's file."""
        found = Found(result)
        try:
            ways = (self.way,) if self.way else ()
            importlib.import_module(f"{__package__}.{self.module}").run(check, found, *ways)
        except NotHereError as error:
            found.end("not on this device", str(error))
        except BaseException as error:
            traceback.print_exc()
            found.end("failed", f"{type(error).__name__}: {str(error).strip()[:2000]}")
            return 1
        else:
            wrong = found.values["wrong"]
            found.end("failed" if wrong else "ok", "; ".join(wrong))
        return 0


def carry_out(part: Part, check: Check, limit: float, folder: Path, script: Path) -> dict[str, Any]:
    """Start the part, wait for it at most `limit` seconds, end all of it, and return what it has found."""
    result, log = folder / f"{part.name}.json", folder / f"{part.name}.log"
    result.unlink(missing_ok=True)
    check.place.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    process = _Forked(part, check, result, log) if check.small else _Program(part, check, result, log, script)
    status = None
    try:
        status = process.wait(limit)
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL) if status is None else (signal.SIGKILL,):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            if status is None:
                process.wait(2.0)
    found: dict[str, Any] = {"figures": {}, "lines": [], "wrong": []}
    with suppress(OSError, ValueError):
        found = json.loads(result.read_text(encoding="utf-8"))
    if status is None:
        found |= {"status": "killed", "why": f"not done after {limit:.0f} s; its log ends: {_end_of(log)}"}
    elif "status" not in found:
        found |= {"status": "failed", "why": f"ended with {status}; its log ends: {_end_of(log)}"}
    return found | {"seconds": round(time.monotonic() - begin, 1), "limit": round(limit, 1)}


def _end_of(log: Path) -> str:
    with suppress(OSError):
        return " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])[-600:]
    return ""


class _Program:
    """On a GPU: CUDA does not survive a fork."""

    def __init__(self, part: Part, check: Check, result: Path, log: Path, script: Path) -> None:
        words = [sys.executable, str(script), "--part", part.name, "--place", str(check.place), "--result", str(result)]
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.pid = self.process.pid

    def wait(self, seconds: float) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        return None


class _Forked:
    """On a CPU: libraries are imported once for all parts."""

    def __init__(self, part: Part, check: Check, result: Path, log: Path) -> None:
        self.process = multiprocessing.get_context("fork").Process(target=self._run, args=(part, check, result, log))
        self.process.start()
        self.pid = self.process.pid

    @staticmethod
    def _run(part: Part, check: Check, result: Path, log: Path) -> None:
        os.setsid()
        with open(log, "wb") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        status = part.run(check, result)
        sys.stdout.flush()
        os._exit(status)

    def wait(self, seconds: float) -> int | None:
        self.process.join(seconds)
        return self.process.exitcode
