"""Being asked to stop while replies are under way that are paid for: SIGTERM does what Ctrl-C does."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import Interrupted

# Of a queue that ends a job, of one that says so before, of a terminal that is closed.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Such a signal raises Interrupted, once; further ones change nothing: queues send several.

    Only where it would end the process at once; who handles it otherwise goes on doing so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    told: list[int] = []

    def stop(number: int, frame: Any) -> None:
        if not told:
            told.append(number)
            raise Interrupted(number)

    taken = [number for number in STOP_SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
