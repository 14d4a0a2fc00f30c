"""Work on very many rows, by forks of this process where it is worth it: all cores look at rows side by side."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

AT_ONCE = 500  # rows
WORTH_FORKING = 20_000  # rows: fewer are done sooner by one
MOST_FORKS = 16
_work: list[Callable] = []  # what the forks have been made for; nothing of it is sent to them


def in_parts(work: Callable[[int, int], Result], rows: int) -> Iterator[Result]:
    """`work(start, stop)` of all rows, a few hundred at a time, in order. What it returns must be picklable."""
    parts = [(start, min(start + AT_ONCE, rows)) for start in range(0, rows, AT_ONCE)]
    forks = min(len(os.sched_getaffinity(0)), MOST_FORKS)
    if rows < WORTH_FORKING or forks < 2:
        yield from (work(*part) for part in parts)
        return
    _work.append(work)
    pool = ProcessPoolExecutor(forks, multiprocessing.get_context("fork"), _end_with_parent, (os.getpid(),))
    try:
        yield from pool.map(_do, parts)
    finally:
        _work.pop()
        pool.shutdown(wait=True, cancel_futures=True)


def _do(part: tuple[int, int]) -> object:
    return _work[-1](*part)


def _end_with_parent(parent: int) -> None:
    """A fork whose parent was killed would wait for work for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
