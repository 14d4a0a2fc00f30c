"""Work of programs from elsewhere (a checkpoint's chat template) that must end in time."""

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class TimeIsUp(Exception):
    """The work took longer than it may."""


def in_time(work: Callable[[], Result], seconds: float) -> Result:
    """What `work` returns or raises; TimeIsUp, and the work is ended, when it takes longer.

    It runs in a thread, so it can be ended wherever it is started, and only between two steps of Python.
    """
    result: list[Result] = []
    fault: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:
            fault.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    while thread.is_alive():
        # Again, should the work have taken it for an error of its own.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeIsUp))
        thread.join(0.1)
    if fault:
        raise fault[0]
    return result[0]
