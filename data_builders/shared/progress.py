"""How far long work is: a bar on a terminal, a line a minute in a log, a small file for whoever asks from outside."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .console import SafeConsole
from .terminal import say

STATE_FILE = "FGTRAIN_PROGRESS_FILE"  # names the file; set by whoever starts this process and watches it
SECONDS_A_LINE = 60.0
SECONDS_A_STATE = 1.0


@dataclass(frozen=True)
class ProgressState:
    """What is under way, and how far."""

    what: str
    done: int
    total: int | None
    unit: str
    per_second: float | None = None
    note: str = ""
    at: float = 0.0  # seconds of the clock

    @property
    def seconds_left(self) -> float | None:
        if not self.per_second or self.total is None:
            return None
        return (self.total - self.done) / self.per_second


_written = 0.0


def tell_progress(state: ProgressState, *, always: bool = False) -> None:
    """Leave the state where somebody watches this process, at most once a second. A full disk stops no work."""
    global _written
    path, now = os.environ.get(STATE_FILE), time.time()
    if path is None or (not always and now - _written < SECONDS_A_STATE):
        return
    _written = now
    temporary = f"{path}.part"
    try:
        with open(temporary, "w", encoding="utf-8", opener=_no_link) as file:
            json.dump({**asdict(state), "at": now}, file)
        os.replace(temporary, path)  # no fsync: what a crash loses here is nothing
    except OSError:
        return


def _no_link(path: str, flags: int) -> int:
    """What somebody else put there leads nowhere else."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def read_progress(path: Path) -> ProgressState | None:
    """None where there is none (yet)."""
    try:
        return ProgressState(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def watched() -> bool:
    """Does somebody look at a terminal, or say so (FGTRAIN_PROGRESS=1)?"""
    return sys.stderr.isatty() or os.environ.get("FGTRAIN_PROGRESS") == "1"


@contextmanager
def progress(what: str, unit: str, total: int | None = None, *, brief: bool = False) -> Iterator[Callable[[int], None]]:
    """Yields `advance(count)`, which may be called from several threads. `brief`: no word of what took no time."""
    if watched():
        columns = [TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn(unit)]
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=SafeConsole(stderr=True)) as bars:
            bar = bars.add_task(what, total=total)
            yield lambda count: bars.advance(bar, count)
        return
    started = said = time.monotonic()
    done, lock = 0, threading.Lock()

    def advance(count: int) -> None:
        nonlocal done, said
        with lock:
            done += count
            now = time.monotonic()
            rate = done / (now - started) if now > started else None
            state = ProgressState(what, done, total, unit, rate)
            tell_progress(state)
            if now - said >= SECONDS_A_LINE and done != total:
                said = now
                say(line_of(state), file=sys.stderr)

    tell_progress(ProgressState(what, 0, total, unit), always=True)
    yield advance
    seconds = time.monotonic() - started
    if brief and said == started:
        return
    rate = f" ({done / seconds:,.1f}/s)" if done > 1 and seconds > 1 else ""
    say(f"{what}: {done:,} {unit} in {seconds:.1f} s{rate}", file=sys.stderr)


def line_of(state: ProgressState) -> str:
    """The state as a line of a log."""
    of, left = f" of {state.total:,}" if state.total is not None else "", state.seconds_left
    rate = f", {state.per_second:,.1f}/s" if state.per_second else ""
    rest = f", {left / 60:,.0f} min left" if left is not None else ""
    return f"{state.what}: {state.done:,}{of} {state.unit}{rate}{rest}"
