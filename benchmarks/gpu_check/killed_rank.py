"""Two ranks of a stage, one of them killed without a word: the start and all that belongs to it end in bounded time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import torch

from fgtrain.jobs.spec import RANK_LOG

from .found import Check, Found
from .models import write_recipe

MARK = "GPU_CHECK_START"  # variable that tells this start's processes from all others
BEGINS, ENDS = 45.0, 30.0  # seconds to wait for the first step, and for the end; ten times that on a CPU


def run(check: Check, found: Found) -> None:
    gpus = not check.small and torch.cuda.device_count() > 1
    if not gpus and not check.small:
        found.say("one GPU: the two ranks are on CPUs")
    where = {"accelerator": "gpu" if gpus else "cpu", "count": 2, "per_device_batch_size": 2}
    recipe = write_recipe(Check(check.place, small=True), 1, 5000, **where)
    mark = uuid4().hex
    environment = {**os.environ, MARK: mark, "OMP_NUM_THREADS": "1", **({} if gpus else {"CUDA_VISIBLE_DEVICES": ""})}
    words = [sys.executable, "-m", "fgtrain", str(check.place / "check.yaml")]
    with open(check.place / "start.log", "wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        slow = 10 if check.small else 1
        rank = _a_rank(recipe.run_folder, check.place / "start.log", process, mark, BEGINS * slow)
        os.kill(rank, signal.SIGKILL)
        begin = time.monotonic()
        status = process.wait(ENDS * slow)
        left = _until(lambda: not _marked(mark), ENDS * slow)
        seconds = time.monotonic() - begin
        found.figure("seconds", seconds)
        found.require(status not in (0, None), f"the start ended with {status}")
        found.require(left, f"still there {seconds:.0f} s later: {_marked(mark)}")
        said = (check.place / "start.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        found.say(f"all ended {seconds:.1f} s after a rank was killed, status {status}: {(said or [''])[-1][:300]}")
    finally:
        for pid in [process.pid, *_marked(mark)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _a_rank(folder: Path, log: Path, process: subprocess.Popen, mark: str, patience: float) -> int:
    """The process of the second rank, once the first stage has done a step."""

    def trains() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the start ended with {process.returncode} before it trained: {log.read_text()[-500:]}")
        path = folder / "align" / "metrics.jsonl"
        return path.exists() and path.stat().st_size > 0

    if not _until(trains, patience):
        raise RuntimeError(f"no step within {patience:.0f} s")
    logs = RANK_LOG.format(1)
    return next(pid for pid in _marked(mark) if os.readlink(f"/proc/{pid}/fd/1").endswith(logs))


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


def _marked(mark: str) -> list[int]:
    """Living processes of the start, whoever their parent is."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            marked = f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0")
            if marked and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(folder.name))
    return found
