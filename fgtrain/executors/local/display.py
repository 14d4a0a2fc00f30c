"""Shows what jobs say and how far they are: their lines as they come; on a terminal, a bar for each below them."""

import os
import sys
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from data_builders.shared.console import SafeConsole
from data_builders.shared.progress import read_progress
from data_builders.shared.terminal import say
from fgtrain.graph import Job
from fgtrain.jobs.spec import LOG, PROGRESS


class Display:
    """Follows the logs of running jobs. `several`: lines say whose they are."""

    def __init__(self, several: bool) -> None:
        self.several = several
        self.logs: dict[str, IO[bytes]] = {}
        self.halves: dict[str, bytes] = {}
        self.jobs: dict[str, Job] = {}
        watched = sys.stderr.isatty() or os.environ.get("FGTRAIN_PROGRESS") == "1"
        self.console = SafeConsole(stderr=True)
        self.bars = _bars(self.console) if watched else None
        self.tasks: dict[str, TaskID] = {}
        if self.bars is not None:
            self.bars.start()

    def begins(self, job: Job) -> None:
        path = job.folder / LOG
        path.touch()
        file = open(path, "rb")  # noqa: SIM115 - closed when the job ends
        file.seek(0, os.SEEK_END)
        self.logs[job.name], self.halves[job.name], self.jobs[job.name] = file, b"", job
        (job.folder / PROGRESS).unlink(missing_ok=True)

    def refresh(self) -> None:
        """Print what is new, move the bars."""
        for name in list(self.logs):
            self._lines(name, self.logs[name].read())
            if self.bars is not None:
                self._bar(self.jobs[name])

    def ends(self, job: Job) -> None:
        file = self.logs.pop(job.name)
        self._lines(job.name, file.read() + b"\n" if self.halves[job.name] else file.read())
        file.close()
        if self.bars is not None and (task := self.tasks.pop(job.name, None)) is not None:
            self.bars.remove_task(task)

    def say(self, text: str) -> None:
        """A line of the executor's own, on standard error."""
        if self.bars is not None:
            self.bars.console.print(escape(text), highlight=False, soft_wrap=True)
        else:
            say(text, file=sys.stderr)

    def close(self) -> None:
        if self.bars is not None:
            self.bars.stop()

    def _lines(self, name: str, content: bytes) -> None:
        *whole, self.halves[name] = (self.halves[name] + content).split(b"\n")
        lead = f"{name}: " if self.several else ""
        for line in whole:
            text = line.decode("utf-8", "replace").rstrip("\r")
            if not text.strip() and self.several:
                continue
            if self.bars is not None:
                self.bars.console.print(escape(lead + text), highlight=False, soft_wrap=True)
            else:
                say(lead + text)

    def _bar(self, job: Job) -> None:
        state = read_progress(job.folder / PROGRESS)
        if state is None:
            return
        what = f"{job.name.partition('/')[0]}: {state.what}" if self.several else state.what
        if job.name not in self.tasks:
            self.tasks[job.name] = self.bars.add_task(what, total=state.total, note="")
        self.bars.update(
            self.tasks[job.name], description=what, total=state.total, completed=state.done, note=state.note
        )


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=16),
        TextColumn("{task.completed}/{task.total} {task.fields[note]}"),
        TimeRemainingColumn(),
        console=console,
        refresh_per_second=4,
    )
