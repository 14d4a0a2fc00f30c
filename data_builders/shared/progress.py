"""A progress bar where somebody watches: on a terminal, or with FGTRAIN_PROGRESS=1."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress(what: str, unit: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Yields `advance(count)`, which may be called from several threads. Elsewhere one plain line when all is done."""
    if not (sys.stderr.isatty() or os.environ.get("FGTRAIN_PROGRESS") == "1"):
        start, counts = time.monotonic(), []
        yield counts.append
        print(f"{what}: {sum(counts):,} {unit} in {time.monotonic() - start:.1f} s", file=sys.stderr)
        return
    columns = [TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn(unit)]
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        bar = bars.add_task(what, total=total)
        yield lambda count: bars.advance(bar, count)
