"""At most so many requests a minute, evenly spread: what many endpoints allow, kept without being told 429 first."""

import threading
import time
from collections.abc import Callable

from .workers import Stopped

# In which a minute's requests are spread. A second more than a minute, because requests do not all take equally long to
# the endpoint, and it counts those that arrive.
MINUTE_SECONDS = 61.0


def wait_or_stop(seconds: float, stop: threading.Event) -> None:
    stop.wait(seconds)


class RequestRate:
    """Shared by all threads that ask. None means no bound.

    Requests are spread, not let through in bursts: one leaves at least 61/N seconds after the one before, so no 60
    seconds hold more than N. The first waits for as long after the start as well: runs one after another keep the
    bound together.
    """

    def __init__(
        self,
        per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float, threading.Event], None] = wait_or_stop,
    ):
        """`wait(seconds, stop)` returns after so many seconds, earlier when `stop` is set."""
        self.between_seconds = MINUTE_SECONDS / per_minute if per_minute else 0.0
        self._clock, self._wait = clock, wait
        self._next = clock() + self.between_seconds
        self._turn = threading.Lock()

    def take(self, stop: threading.Event) -> None:
        """Return when the next request may leave. Stopped when `stop` is set: the turn is another's then."""
        if not self.between_seconds:
            return
        with self._turn:  # held while waiting: who came first leaves first, and all others wait behind
            while not stop.is_set() and (seconds := self._next - self._clock()) > 0:
                self._wait(seconds, stop)
            if stop.is_set():
                raise Stopped
            # From now, not from when it could have left: a late one is not made up for by two close together.
            self._next = self._clock() + self.between_seconds
