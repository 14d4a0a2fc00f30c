"""Loader processes when their job is asked to stop."""

import os
import signal
import threading
from typing import Any

SECONDS_AFTER_TERM = 300.0


def outlive_stop_signals(worker: int) -> None:
    """For DataLoader(worker_init_fn=...): stop signals reach all processes of a job, but the step under way needs data.

    The training process ends its workers when it stops. One that was told to terminate leaves by itself some minutes
    later, should nobody end it.
    """

    def term(number: int, frame: Any) -> None:
        timer = threading.Timer(SECONDS_AFTER_TERM, os._exit, (0,))
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, term)
