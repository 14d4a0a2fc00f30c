"""A progress bar with a rate and the time left on a terminal; elsewhere (a job's log) a plain line now and then."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Task as Bar
from rich.text import Text

SECONDS_A_LINE = 60.0


class Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, bar: Bar) -> Text:
        return Text(f"{bar.speed:,.1f} {self.unit}/s" if bar.speed else f"- {self.unit}/s")


@contextmanager
def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Yields `advance(count)`."""
    started, done = time.perf_counter(), 0
    if sys.stderr.isatty() or os.environ.get("FGTRAIN_PROGRESS") == "1":
        from rich.console import Console

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed:,}/{task.total:,}"),
            Rate(unit),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bars:
            bar = bars.add_task(description, total=total)
            yield lambda count: bars.advance(bar, count)
        return

    said = started

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        now = time.perf_counter()
        if done < total and now - said >= SECONDS_A_LINE:
            said, rate = now, done / (now - started)
            left = f", {(total - done) / rate / 60:,.0f} min left" if rate else ""
            print(f"{description}: {done:,} of {total:,} {unit}, {rate:,.1f}/s{left}", file=sys.stderr, flush=True)

    yield advance
    seconds = time.perf_counter() - started
    print(f"{description}: {done:,} {unit} in {seconds:.1f} s ({done / max(seconds, 1e-9):,.1f}/s)", file=sys.stderr)
