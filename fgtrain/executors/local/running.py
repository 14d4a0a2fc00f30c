"""A job under way: its processes end together, and end as one."""

import signal
import time
from dataclasses import dataclass

from fgtrain.graph import Job
from fgtrain.jobs.spec import Fault, read_faults

from .starting import Process

ALONE_SECONDS = 10.0  # that the others have to end by themselves once one process has failed
ASKED_SECONDS = 15.0  # more, once they are asked to
STOPPED = 130


@dataclass(frozen=True)
class Ended:
    """How a job ended: 0 done, 2 the user's input, 1 anything else, 130 stopped."""

    status: int
    message: str = ""


class RunningJob:
    """The processes of one job on this host."""

    def __init__(self, job: Job, processes: list[Process], taken: tuple[int, tuple[str, ...]]) -> None:
        self.job, self.processes, self.taken = job, processes, taken
        self.failed_at: float | None = None
        self.asked: int | None = None  # the signal that asked it to stop

    def ask_to_stop(self, number: int) -> None:
        self.asked = number
        for process in self.processes:
            process.signal(number)

    def kill(self) -> None:
        for process in self.processes:
            process.signal(signal.SIGKILL)

    def poll(self) -> Ended | None:
        """None while it runs. One process that fails alone ends the others within half a minute."""
        statuses = [process.poll() for process in self.processes]
        if None not in statuses:
            return self._ended(statuses)
        if any(status for status in statuses if status is not None):
            now = time.monotonic()
            if self.failed_at is None:
                self.failed_at = now
            waited = now - self.failed_at
            if waited > ALONE_SECONDS + ASKED_SECONDS:
                self.kill()
            elif waited > ALONE_SECONDS and self.asked is None:
                self.ask_to_stop(signal.SIGTERM)
        return None

    def _ended(self, statuses: list[int]) -> Ended:
        """What the processes' ends mean together; the fault that came first speaks for all."""
        if not any(statuses):
            return Ended(0)
        killed = [(rank, -status) for rank, status in enumerate(statuses) if status < 0]
        faults = read_faults(self.job.folder)
        known = [fault for fault in faults if fault.status != STOPPED or not killed]
        by_us = self.asked is not None or self.failed_at is not None
        deaths = [one for one in killed if not (by_us and one[1] in (signal.SIGTERM, signal.SIGKILL, self.asked))]
        if deaths and not any(fault.status == 2 for fault in known):
            return Ended(1, self._death(*deaths[0]))
        if known:
            fault: Fault = known[0]
            return Ended(fault.status, fault.message)
        if self.asked is not None and self.failed_at is None:
            return Ended(STOPPED, f"stopped by {signal.Signals(self.asked).name}; what was finished is kept")
        if killed:
            return Ended(1, self._death(*killed[0]))
        if (signalled := max(statuses) - 128) > 0:  # as srun tells it, which does not say of which process
            return Ended(1, self._death(None, signalled))
        return Ended(1, f"a process of {self.job.title} ended with status {max(statuses)} and said nothing")

    def _death(self, rank: int | None, number: int) -> str:
        one = "a process" if rank is None else f"process {rank}"
        which = f"{one} of {self.job.title}" if self.job.processes > 1 else self.job.title
        why = " (out of memory, if nobody else ended it)" if number == signal.SIGKILL else ""
        return f"{which} was ended by {signal.Signals(number).name}{why}. What was finished is kept"
