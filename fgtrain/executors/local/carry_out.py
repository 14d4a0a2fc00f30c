"""Carries jobs out on this host, as many side by side as its devices allow."""

import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fgtrain.graph import Job
from fgtrain.own_gpu import look_from_outside
from fgtrain.training.stop_signals import tell_script

from .devices import Host, refuse_missing_gpus, refuse_missing_nodes, refuse_unusable_gpus, this_host
from .display import Display
from .running import STOPPED, Ended, RunningJob
from .starting import Starter

LOOK_SECONDS = 0.05
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@dataclass
class Outcome:
    """What became of the jobs: name -> how it ended; those that were never begun are in `left`."""

    ended: dict[str, Ended] = field(default_factory=dict)
    left: list[Job] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Of the whole: 0, or of what went wrong the most telling: 2 before 1 before 130."""
        statuses = {one.status for one in self.ended.values()} - {0}
        return next((status for status in (2, 1, STOPPED) if status in statuses), STOPPED if self.left else 0)


class Stops:
    """Signals that ask this process to stop: the first one asks all jobs, a second one ends them."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stops":
        for number in SIGNALS:
            if signal.getsignal(number) is signal.SIG_IGN:  # nohup, a script's background job: it stays so
                continue
            self._before[number] = signal.signal(number, lambda n, frame: self.asked.append(n))
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def carry_out(jobs: Sequence[Job], host: Host | None = None, *, quiet: bool = False) -> Outcome:
    """Do the jobs, each when those that it waits for are done. One that fails ends nothing but what waits for it.

    Prints what goes wrong, once; and what the jobs say, unless `quiet`. Whatever happens to this process, no job's
    process outlives it by more than the time it takes to save. UserError where GPUs or nodes are missing that a job
    asks for.
    """
    own, host = host is None, host or this_host()
    seen = cache(look_from_outside)
    for job in jobs:
        if job.computes and job.recipe is not None:
            refuse_missing_nodes(job.recipe.devices)
            refuse_missing_gpus(job.recipe.devices, len(host.gpus))
            if own and host.gpus:
                refuse_unusable_gpus(job.recipe.devices, seen)
    starter, display = Starter(), Display(len({run for job in jobs for run in job.runs}) > 1, quiet)
    with Stops() as stops:
        try:
            return _Course(jobs, host, starter, display, stops).run()
        finally:
            display.close()
            starter.close()


class _Course:
    """One carrying out, from the first job to the last."""

    def __init__(self, jobs: Sequence[Job], host: Host, starter: Starter, display: Display, stops: Stops) -> None:
        self.waiting, self.host, self.starter, self.display, self.stops = list(jobs), host, starter, display, stops
        self.running: list[RunningJob] = []
        self.outcome = Outcome()
        self.told: set[str] = set()
        self.heeded = 0  # signals
        self.killed = False  # by a second Ctrl-C, so that what jobs say of their end is of no account

    def run(self) -> Outcome:
        while self.running or self.waiting:
            self._heed_signals()
            self._reap()
            if not self.stops.asked:
                self._begin()
            if not self.running and (self.stops.asked or not self._can_begin()):
                break
            self.display.refresh()
            time.sleep(LOOK_SECONDS)
        self.outcome.left = self.waiting
        self._tell_end()
        return self.outcome

    def _heed_signals(self) -> None:
        for number in self.stops.asked[self.heeded :]:
            self.heeded += 1
            if self.heeded == 1:
                for running in self.running:
                    running.ask_to_stop(number)
            elif number == signal.SIGINT:
                self.killed = True
                self.display.say("stopped at once by a second Ctrl-C; what was finished is kept")
                for running in self.running:
                    running.kill()

    def _reap(self) -> None:
        for running in list(self.running):
            ended = running.poll()
            if ended is None:
                continue
            self.running.remove(running)
            self.host.give_back(running.taken)
            self.display.ends(running.job)
            if ended.status and self.killed:
                ended = Ended(STOPPED, "")
            self.outcome.ended[running.job.name] = ended
            if ended.status not in (0, STOPPED):
                self._tell(running.job, ended)

    def _tell(self, job: Job, ended: Ended) -> None:
        """One message for what may be wrong in many jobs alike."""
        if ended.message in self.told:
            return
        self.told.add(ended.message)
        lead = "error: " if ended.status == 2 else f"{job.title} failed: " if self.display.several else ""
        self.display.say(f"{lead}{ended.message}")

    def _done(self, name: str) -> bool | None:
        """Is it done? None: not yet, or never."""
        ended = self.outcome.ended.get(name)
        return None if ended is None else ended.status == 0

    def _ready(self) -> list[Job]:
        return [job for job in self.waiting if all(self._done(name) for name in job.after)]

    def _can_begin(self) -> bool:
        return bool(self._ready())

    def _begin(self) -> None:
        for job in self._ready():
            taken = self.host.take(job)
            if taken is None:
                continue
            self.waiting.remove(job)
            job.write()
            self.display.begins(job)
            self.running.append(RunningJob(job, self.starter.start(job, taken[1]), taken))

    def _tell_end(self) -> None:
        """A stop, and what was not begun because something before it failed."""
        stopped = [one for one in self.outcome.ended.values() if one.status == STOPPED]
        if self.stops.asked:
            name = signal.Signals(self.stops.asked[0]).name
            said = next((one.message for one in stopped if " at step " in one.message), None)
            said = said or f"stopped by {name}; what was finished is kept"
            tell_script(said)
            if not self.killed:
                self.display.say(f"{said}; the same command goes on from there")
            self.outcome.ended.setdefault("", Ended(STOPPED))
        elif self.outcome.left and len(self.outcome.left) > 1:
            failed, left = [name for name, one in self.outcome.ended.items() if one.status], len(self.outcome.left)
            self.display.say(
                f"{len(failed)} failed ({', '.join(failed)}), {left} that wait for them were not begun; "
                f"once the cause is mended, the same command goes on from what is done"
            )
        sys.stdout.flush()
