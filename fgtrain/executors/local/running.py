"""A job under way: its processes end together, and end as one."""

import signal
import time
from dataclasses import dataclass

from fgtrain.graph import Job
from fgtrain.jobs.spec import read_faults

from .forkserver import by_signal
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
        self.asked: int | None = None  # the signal that somebody has asked it to stop with
        self.sent: set[int] = set()  # signals from here
        self.failed_at: float | None = None
        self.deaths: dict[int, int] = {}  # rank -> signal, of those that nobody here has ended

    def ask_to_stop(self, number: int) -> None:
        self.asked = number
        self._send(number)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def poll(self) -> Ended | None:
        """None while it runs. One process that fails alone ends the others within half a minute."""
        statuses = self._statuses()
        if None not in statuses:
            return self._ended(statuses)
        if any(statuses):
            now = time.monotonic()
            if self.failed_at is None:
                self.failed_at = now
            waited = now - self.failed_at
            if waited > ALONE_SECONDS + ASKED_SECONDS and signal.SIGKILL not in self.sent:
                self._send(signal.SIGKILL)
            elif waited > ALONE_SECONDS and not self.sent:
                self._send(signal.SIGTERM)
        return None

    def _statuses(self) -> list[int | None]:
        statuses = [process.poll() for process in self.processes]
        for rank, status in enumerate(statuses):
            if status is not None and status < 0 and -status not in self.sent:
                self.deaths.setdefault(rank, -status)
        return statuses

    def _send(self, number: int) -> None:
        self._statuses()  # who has ended by now has not ended by this
        self.sent.add(number)
        for process in self.processes:
            process.signal(number)

    def _ended(self, statuses: list[int]) -> Ended:
        """What the processes' ends mean together: the one that came first speaks for all."""
        if not any(statuses):
            return Ended(0)
        faults = read_faults(self.job.folder)
        if self.asked is not None:  # what came after somebody's stop says that it has lost that one
            faults.sort(key=lambda fault: fault.at)
        mistake = next((fault for fault in faults if fault.status == 2), None)
        if mistake is not None:
            return Ended(2, mistake.message)
        if self.asked is None and (lost := next((process.lost for process in self.processes if process.lost), "")):
            return Ended(1, f"{self.job.title}: {lost}")
        # Libraries abort where they lose another process.
        deaths = [one for one in self.deaths.items() if one[1] != signal.SIGABRT or not faults]
        if deaths:  # others have lost it
            return Ended(1, self._death(*deaths[0]))
        if faults:
            return Ended(faults[0].status, faults[0].message)
        if self.asked is not None:
            return Ended(STOPPED, f"stopped by {signal.Signals(self.asked).name}; what was finished is kept")
        if (signalled := max(statuses) - 128) > 0:  # as srun tells it, which does not say of which process
            return Ended(1, self._death(None, signalled))
        return Ended(1, f"a process of {self.job.title} ended with status {max(statuses)} and said nothing")

    def _death(self, rank: int | None, number: int) -> str:
        one = "a process" if rank is None else f"process {rank}"
        which = f"{one} of {self.job.title}" if self.job.processes > 1 else self.job.title
        return f"{which} {by_signal(number)}. What was finished is kept"
