"""Shows what jobs say and how far they are: their lines as they come; on a terminal, a bar for each below them."""

import os
import re
import sys
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from data_builders.shared.console import SafeConsole
from data_builders.shared.progress import ProgressState, read_progress
from data_builders.shared.terminal import say
from data_builders.shared.wrapping import wrapped
from fgtrain.graph import Job
from fgtrain.jobs.spec import LOG, PROGRESS

BAR, CLOCK = 16, 10  # columns of a bar; of the time left, with the blanks between
LEAST = 10  # columns that say what is under way
IDENTITY = re.compile("-[0-9a-f]{8}$")  # of what a job builds: it tells a reader nothing


class Display:
    """Follows the logs of running jobs. `several`: lines say whose they are; `quiet`: they are not shown, nor bars."""

    def __init__(self, several: bool, quiet: bool = False) -> None:
        self.several, self.quiet = several, quiet
        self.logs: dict[str, IO[bytes]] = {}
        self.halves: dict[str, bytes] = {}
        self.jobs: dict[str, Job] = {}
        watched = sys.stderr.isatty() or os.environ.get("FGTRAIN_PROGRESS") == "1"
        self.console = SafeConsole(stderr=True)
        self.bars = _bars(self.console) if watched and not quiet else None
        self.tasks: dict[str, tuple[TaskID, str]] = {}  # and what it counts
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
        if self.bars is not None and job.name in self.tasks:
            self.bars.remove_task(self.tasks.pop(job.name)[0])

    def say(self, text: str) -> None:
        """A line of the executor's own, on standard error."""
        if self.bars is not None:
            self._print(text)
        else:
            say(text, file=sys.stderr)

    def close(self) -> None:
        if self.bars is not None:
            self.bars.stop()

    def _lines(self, name: str, content: bytes) -> None:
        *whole, self.halves[name] = (self.halves[name] + content).split(b"\n")
        lead = f"{IDENTITY.sub('', name)}: " if self.several else ""
        for line in whole:
            text = line.decode("utf-8", "replace").rstrip("\r")
            if self.quiet or (not text.strip() and self.several):
                continue
            if self.bars is not None:
                self._print(lead + text)
            else:
                say(lead + text)

    def _print(self, text: str) -> None:
        """Above the bars, broken between words: rich's own breaks would cut paths and numbers that are too long."""
        self.bars.console.print(escape(wrapped(text, self.console.width, hang=2)), highlight=False, soft_wrap=True)

    def _bar(self, job: Job) -> None:
        state = read_progress(job.folder / PROGRESS)
        if state is None:
            return
        what, note = self._room(job, state)
        task, of = self.tasks.get(job.name, (None, ""))
        if task is None or of != state.what:  # a new one: rich keeps a total that is not known any more
            if task is not None:
                self.bars.remove_task(task)
            task = self.bars.add_task(what, total=state.total, note=note)
            self.tasks[job.name] = task, state.what
        self.bars.update(task, description=what, total=state.total, completed=state.done, note=note)

    def _room(self, job: Job, state: ProgressState) -> tuple[str, str]:
        """What is under way and the note beside it, so that no number is cut: the words lose their beginning, for the
        end of a run's name and its stage tell more; where that is not enough, the note goes."""
        what = f"{job.name.partition('/')[0]}: {state.what}" if self.several else state.what
        room = self.console.width - BAR - CLOCK - len(f"{state.done}/{state.total} ")
        note = state.note if room - len(state.note) >= min(len(what), LEAST) else ""
        room = max(room - len(note), LEAST)
        return (what if len(what) <= room else f"…{what[1 - room :]}"), note


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(bar_width=BAR),
        TextColumn("{task.completed}/{task.total} {task.fields[note]}", markup=False),
        TimeRemainingColumn(),
        console=console,
        refresh_per_second=4,
    )
