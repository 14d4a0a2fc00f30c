"""How far long work is: a bar on a terminal, a line a minute in a log, a small file for whoever asks from outside."""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .console import SafeConsole
from .terminal import say

STATE_FILE = "FGTRAIN_PROGRESS_FILE"  # names the file; set by whoever starts this process and watches it
SECONDS_A_LINE = 60.0
SECONDS_A_STATE = 1.0
AT_ONCE = 1.0  # seconds; of what took no longer a log is told nothing


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
        """At the speed so far; None where the speed or the end is not known."""
        if not self.per_second or self.total is None:
            return None
        return (self.total - self.done) / self.per_second


DRAWN = re.compile("[0-9a-f]{12,}")

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
        state = ProgressState(**json.loads(path.read_text(encoding="utf-8")))
        line_of(state)
        return state if isinstance(state.what, str) and isinstance(state.note, str) else None
    except (OSError, ValueError, TypeError, ZeroDivisionError):
        return None


def watched() -> bool:
    """Does somebody look at a terminal, or say so (FGTRAIN_PROGRESS=1)?"""
    return sys.stderr.isatty() or os.environ.get("FGTRAIN_PROGRESS") == "1"


class LogLines:
    """What a log is told of work under way: at least a line a minute, also while no part of it ends."""

    def __init__(self, what: str, unit: str, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.what, self.unit, self.total, self.clock = what, unit, total, clock
        self.started = self.said = clock()
        self.done, self.lock = 0, threading.Lock()

    def advance(self, count: int) -> None:
        """So much more is done; may be called from several threads."""
        with self.lock:
            self.done += count
            self._say_when_due()

    def beat(self) -> float:
        """Nothing has ended, maybe. Returns the seconds until it should be looked at again."""
        with self.lock:
            self._say_when_due()
            return self.said + SECONDS_A_LINE - self.clock()

    def worth_a_last_line(self, brief: bool) -> bool:
        """Was it told of before, or has it taken its time?"""
        return self.said != self.started or (not brief and self.clock() - self.started >= AT_ONCE)

    def end(self) -> str:
        """The last line."""
        seconds = self.clock() - self.started
        rate = f" ({self.done / seconds:,.1f}/s)" if self.done > 1 and seconds > 1 else ""
        return f"{self.what}: {self.done:,} {self.unit} in {seconds:.1f} s{rate}"

    def _say_when_due(self) -> None:
        now = self.clock()
        rate = self.done / (now - self.started) if self.done and now > self.started else None
        state = ProgressState(self.what, self.done, self.total, self.unit, rate)
        tell_progress(state)
        if now - self.said >= SECONDS_A_LINE and self.done != self.total:
            self.said = now
            so_far = f", {(now - self.started) / 60:,.0f} min so far"
            say(line_of(state) + ("" if state.seconds_left is not None else so_far), file=sys.stderr)


@contextmanager
def _beating(lines: LogLines) -> Iterator[None]:
    """Inside, a thread looks after the lines: one picture, one request or one file may take longer than a minute."""
    ended = threading.Event()

    def look() -> None:
        wait = SECONDS_A_LINE
        while not ended.wait(max(wait, 0.1)):
            wait = lines.beat()

    thread = threading.Thread(target=look, daemon=True, name=f"progress of {lines.what}")
    with suppress(RuntimeError):  # no thread can be started: the work itself will say so, or do without
        thread.start()
    try:
        yield
    finally:
        ended.set()


_bars: list[Progress] = []  # the one that is on the terminal


@contextmanager
def progress(what: str, unit: str, total: int | None = None, *, brief: bool = False) -> Iterator[Callable[[int], None]]:
    """Yields `advance(count)`, which may be called from several threads. `brief`: no word of what took no minute, where
    else there is none of what took less than a second."""
    if watched():
        if _bars:  # there is room for one on a terminal
            yield lambda count: None
            return
        columns = [TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn(unit)]
        columns += [TimeElapsedColumn(), TimeRemainingColumn()]
        with Progress(*columns, console=SafeConsole(stderr=True), transient=brief) as bars:
            bar = bars.add_task(what, total=total)
            _bars.append(bars)
            try:
                yield lambda count: bars.advance(bar, count)
            finally:
                _bars.remove(bars)
        return
    lines = LogLines(what, unit, total)
    tell_progress(ProgressState(what, 0, total, unit), always=True)
    with _beating(lines):
        yield lines.advance
    if lines.worth_a_last_line(brief):
        say(lines.end(), file=sys.stderr)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """For work that has no parts to be counted: after a minute, a log is told each minute that it goes on."""
    with progress(what, "of 1", 1, brief=True) as advance:
        yield
        advance(1)


def file_title(path: Path) -> str:
    """What a file is called on a bar: by its folder, where its own name is a hash or a draw."""
    return f"a file of {path.parent.name}" if DRAWN.search(path.stem) else path.name


def line_of(state: ProgressState) -> str:
    """The state as a line of a log."""
    if state.unit == "of 1":
        return state.what
    of, left = f" of {state.total:,}" if state.total is not None else "", state.seconds_left
    rate = f", {state.per_second:,.1f}/s" if state.per_second else ""
    rest = f", {left / 60:,.0f} min left" if left is not None else ""
    return f"{state.what}: {state.done:,}{of} {state.unit}{rate}{rest}"
