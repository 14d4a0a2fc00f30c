"""Only a second Ctrl-C ends jobs at once; behind any other second signal, what a job says of its end is still heard."""

import signal
import sys
from types import SimpleNamespace

import pytest

from fgtrain.executors.local.carry_out import _Course
from fgtrain.executors.local.running import STOPPED, Ended

USR1, TERM, INT = signal.SIGUSR1, signal.SIGTERM, signal.SIGINT


class FailsAsItIsStopped:
    """A job under way that ends with an error of its own once it has been asked to stop."""

    job, taken = SimpleNamespace(name="tiny/train-sft", title="train sft"), None

    def __init__(self):
        self.got = []

    def ask_to_stop(self, number):
        self.got.append(number)

    def kill(self):
        self.got.append("killed")

    def poll(self):
        return Ended(1, "no space left") if self.got else None


@pytest.mark.parametrize(
    ("signals", "got", "status"),
    [
        ([INT, INT], [INT, "killed"], STOPPED),
        ([TERM, INT], [TERM, "killed"], STOPPED),
        ([USR1, TERM], [USR1], 1),
        ([TERM, TERM], [TERM], 1),
        ([TERM], [TERM], 1),
    ],
)
def test_a_job_that_fails_while_it_stops_is_told_unless_it_was_killed(signals, got, status, monkeypatch):
    monkeypatch.setattr(sys.modules[_Course.__module__], "tell_script", lambda said: None)
    said, job = [], FailsAsItIsStopped()
    display = SimpleNamespace(say=said.append, ends=lambda job: None, refresh=lambda: None, several=False)
    host = SimpleNamespace(give_back=lambda taken: None)
    course = _Course([], host, None, display, SimpleNamespace(asked=signals))
    course.running.append(job)
    outcome = course.run()
    assert (job.got, outcome.status) == (got, status)
    assert ("no space left" in said) == (status == 1)
    assert any("goes on from there" in line for line in said) == ("killed" not in got)
