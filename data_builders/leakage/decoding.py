"""Decoding and hashing many pictures in two processes.

Processes of their own, not forks: whoever builds a set may have loaded libraries that do not survive a fork. Each gets
lists of paths, one JSON line each, and answers with a line of what went wrong and the LOOKs as bytes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, Queue

import numpy as np

from ..shared.errors import UserError
from .picture_hashes import GRID, LOOK, SIDE, looks_of, reduced

AT_ONCE = 32  # pictures
PROCESSES = min(2, os.cpu_count() or 1)
FEW = 400  # pictures for which starting processes takes longer than they save

Looked = tuple[np.ndarray, dict[int, str]]  # the LOOKs, and index -> what is wrong with that file


def look_at(paths: list[str]) -> Looked:
    pictures, faults = [], {}
    for index, path in enumerate(paths):
        try:
            pictures.append(reduced(Path(path)))
        except UserError as error:
            faults[index] = str(error)
            pictures.append((np.zeros((SIDE, SIDE), np.uint8), np.zeros((GRID, GRID, 3), np.uint8)))
    return looks_of(pictures), faults


def looks(paths: list[str]) -> Iterator[tuple[int, np.ndarray, dict[int, str]]]:
    """(place of the first, LOOKs, faults) of one stretch of the paths after another, in any order."""
    starts = range(0, len(paths), AT_ONCE)
    if len(paths) < FEW or PROCESSES == 1:
        for start in starts:
            yield start, *look_at(paths[start : start + AT_ONCE])
        return
    todo, done = Queue(), Queue()
    for start in starts:
        todo.put(start)
    workers = [start_worker() for _ in range(PROCESSES)]

    def serve(worker: subprocess.Popen) -> None:
        try:
            while True:
                try:
                    start = todo.get_nowait()
                except Empty:
                    return
                done.put((start, *ask(worker, paths[start : start + AT_ONCE])))
        except BaseException as error:
            done.put(error)

    with ThreadPoolExecutor(PROCESSES) as pool:
        try:
            for worker in workers:
                pool.submit(serve, worker)
            for _ in starts:
                found = done.get()
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            stop(workers)  # or the pool would wait until they have done all


def start_worker() -> subprocess.Popen:
    # The package must be found whether it is installed or stands in the working directory.
    packages = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, packages)), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )


def ask(worker: subprocess.Popen, paths: list[str]) -> Looked:
    worker.stdin.write(json.dumps(paths).encode() + b"\n")
    worker.stdin.flush()
    faults = worker.stdout.readline()
    data = worker.stdout.read(len(paths) * LOOK.itemsize) if faults else b""
    if len(data) != len(paths) * LOOK.itemsize:
        raise RuntimeError(f"a process that reads images ended with status {worker.wait()}")
    return np.frombuffer(data, LOOK), {int(index): reason for index, reason in json.loads(faults).items()}


def stop(workers: list[subprocess.Popen]) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
        worker.wait()


def main() -> None:
    for line in sys.stdin.buffer:
        found, faults = look_at(json.loads(line))
        sys.stdout.buffer.write(json.dumps(faults).encode() + b"\n" + found.tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)  # whoever started this process was interrupted too, and says so
