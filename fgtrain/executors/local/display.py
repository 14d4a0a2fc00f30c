"""Shows what jobs say and how far they are: their lines as they come; on a terminal, a bar for each below them."""

import os
import re
import sys
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from data_builders.shared.console import SafeConsole
from data_builders.shared.progress import ProgressState, file_title, read_progress
from data_builders.shared.terminal import say
from data_builders.shared.wrapping import wrapped
from fgtrain.graph import Job
from fgtrain.jobs.spec import LOG, PROGRESS

BAR, CLOCK = 16, 10  # columns of a bar; of the time left, with the blanks between
LEAST, LEAST_OF_SEVERAL = 10, 24  # columns that say what is under way, rather than the note beside it
WHERE = re.compile(r"(?<!\S)/\S+")  # a whole path
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
            self._move_bars()

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

    def _move_bars(self) -> None:
        states = {name: read_progress(self.jobs[name].folder / PROGRESS) for name in self.logs}
        states = {name: state for name, state in states.items() if state is not None}
        # Bars stand in columns: the longest numbers leave all the same room. So that no number is cut, the words lose
        # their beginning, for the end of a run's name and its stage tell more; where that is not enough, notes go.
        room = self.console.width - BAR - CLOCK
        noted = max((len(f"{one.done}/{one.total} {one.note}") for one in states.values()), default=0)
        notes = room - noted >= (LEAST if len(states) == 1 else LEAST_OF_SEVERAL)
        room -= noted if notes else max((len(f"{one.done}/{one.total} ") for one in states.values()), default=0)
        for name, state in states.items():
            self._bar(self.jobs[name], state, max(room, LEAST), state.note if notes else "")

    def _bar(self, job: Job, state: ProgressState, room: int, note: str) -> None:
        what = WHERE.sub(_last_part, state.what)
        what = f"{job.name.partition('/')[0]}: {what}" if self.several else what
        what = what if len(what) <= room else f"…{what[1 - room :]}"
        task, of = self.tasks.get(job.name, (None, ""))
        if task is None or of != state.what:  # a new one: rich keeps a total that is not known any more
            if task is not None:
                self.bars.remove_task(task)
            task = self.bars.add_task(what, total=state.total, note=note)
            self.tasks[job.name] = task, state.what
        self.bars.update(task, description=what, total=state.total, completed=state.done, note=note)


def _last_part(path: re.Match) -> str:
    """Of a file or folder, which on a bar has no room: 'checkpoint'."""
    return file_title(Path(path.group().rstrip("/")))


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(bar_width=BAR),
        TextColumn("{task.completed}/{task.total} {task.fields[note]}", markup=False),
        TimeRemainingColumn(),
        console=console,
        refresh_per_second=4,
    )
