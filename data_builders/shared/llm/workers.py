"""Several requests at the same time, results in the order of the items."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from .stop_signals import interrupted_by_signals

Item = TypeVar("Item")
Result = TypeVar("Result")


class Stopped(Exception):
    """Raised inside a worker that has to leave because another one failed or the user interrupted."""


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, stop: threading.Event, patience: float
) -> Iterator[Result]:
    """`function` of each item, in order. On a failure, Ctrl-C or SIGTERM nothing new starts, what is under way may
    finish (at most `patience` seconds: its answers are paid for), then the error goes on. Close it when it is not used
    up: it waits then.
    """
    with interrupted_by_signals():
        yield from _in_order(function, items, workers, stop, patience)


def _in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, stop: threading.Event, patience: float
) -> Iterator[Result]:
    waiting = iter(list(enumerate(items)))
    done: dict[int, tuple[Any, BaseException | None]] = {}
    failed: list[int] = []
    changed = threading.Condition()

    def work() -> None:
        while not stop.is_set():
            with changed:
                number, item = next(waiting, (-1, None))
            if number < 0:
                return
            result, error = None, None
            try:
                result = function(item)
            except BaseException as caught:
                error = caught
            with changed:
                done[number] = result, error
                if error is not None:
                    stop.set()
                    if not isinstance(error, Stopped):
                        failed.append(number)
                changed.notify_all()

    # Daemons: a second Ctrl-C leaves at once.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
    number = 0
    try:
        for thread in threads:
            thread.start()
        while True:
            with changed:
                while number not in done and not failed and any(thread.is_alive() for thread in threads):
                    changed.wait(0.2)
                if failed or number not in done:
                    break
                result, _ = done.pop(number)
            yield result
            number += 1
    except KeyboardInterrupt:
        print("waiting for the answers under way, which are paid for; Ctrl-C again leaves at once", file=sys.stderr)
        raise
    finally:
        stop.set()
        for thread in threads:
            if thread.is_alive():  # one that was not started yet cannot be joined
                thread.join(patience)
    if failed:
        raise done[min(failed)][1]
