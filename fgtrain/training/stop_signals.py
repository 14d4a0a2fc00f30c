"""Being asked to stop: SIGTERM (preemption, scancel), SIGUSR1 (near a job's time limit), Ctrl-C.

While a stage trains, `ResumePoint` takes these signals and stops at the end of the step. At any other time they end
what is under way; every file is whole or absent, so the next start goes on from there.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Stopped(KeyboardInterrupt):
    """Asked to stop by the signal that its text names. Not an Exception, so that nothing on the way catches it."""


class StageInterruptedError(Stopped):
    """A stage was asked to stop; its state is saved and the next start goes on from there. The text says where."""


_asked: list[str] = []  # signals that came so late in a stage that it ended first


@contextmanager
def stoppable() -> Iterator[None]:
    """A signal that asks to stop ends the block by `Stopped`, also where something on the way makes another exception
    of it: Lightning exits while it starts, and compiled libraries say that they cannot be imported."""
    by: list[str] = []

    def stop(number: int, frame: Any) -> None:
        by.append(signal.Signals(number).name)
        raise Stopped(by[0])

    # Where Ctrl-C is ignored (nohup, a script's background job) it stays so.
    interrupt = (signal.SIGINT,) if signal.getsignal(signal.SIGINT) is signal.default_int_handler else ()
    before = {number: signal.signal(number, stop) for number in (*STOP_SIGNALS, *interrupt)}
    _asked.clear()
    try:
        yield
    except (Exception, SystemExit):
        if not by:
            raise
        raise Stopped(by[0]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def asked_late(name: str) -> None:
    """Note a signal that a stage took in its last step, for `stop_if_asked`."""
    _asked.append(name)


def stop_if_asked() -> None:
    """Raise Stopped if a signal came in the last step of a stage that is saved by now."""
    if _asked:
        raise Stopped(_asked[0])


def tell_script(message: str) -> None:
    """Tell the job script that started this process (slurm/launch.sh) that all is saved and the job may go on later."""
    if path := os.environ.get("FGTRAIN_STOPPED"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(message + "\n")
            file.flush()
            os.fsync(file.fileno())
