"""How the ends of a group's processes are told: once, by the one that came first."""

import itertools
import signal
from pathlib import Path

import pytest

from fgtrain.executors.local import running
from fgtrain.executors.local.running import Ended, RunningJob
from fgtrain.graph import Job
from fgtrain.jobs.spec import Fault, write_fault

TERM, KILL, ABORT = -signal.SIGTERM, -signal.SIGKILL, -signal.SIGABRT
LOST = "RuntimeError: Connection closed by peer"


class Fake:
    """A process that ends when the test says so, or by the signals that it does not survive."""

    lost = ""

    def __init__(self, dies_of: tuple[int, ...] = (signal.SIGKILL,)) -> None:
        self.status: int | None = None
        self.dies_of, self.got = dies_of, []

    def poll(self) -> int | None:
        return self.status

    def signal(self, number: int) -> None:
        if self.status is None:
            self.got.append(number)
            if number in self.dies_of:
                self.status = -number


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(running, "time", clock)
    return clock


def group(folder: Path, *processes: Fake) -> RunningJob:
    job = Job(
        name="tiny/train-sft",
        kind="train",
        title="train sft",
        identity=("x",),
        folder=folder,
        done=lambda: False,
        processes=len(processes),
    )
    return RunningJob(job, list(processes), (0, ()))


def leave(folder: Path, rank: int, status: int, message: str, at: float, shared: bool = False) -> None:
    folder.mkdir(exist_ok=True)
    write_fault(folder, Fault(rank, status, message, shared, at))


def test_all_done_is_done(tmp_path: Path) -> None:
    one, two = Fake(), Fake()
    running_job = group(tmp_path, one, two)
    one.status = 0
    assert running_job.poll() is None
    two.status = 0
    assert running_job.poll() == Ended(0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_one_mistake_of_the_users_is_told_and_not_that_others_lost_the_one_that_found_it(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    processes = [Fake() for _ in range(3)]
    running_job = group(tmp_path, *processes)
    leave(tmp_path, 0, 1, LOST, at=5.0)
    leave(tmp_path, 1, 2, "no picture at a.png", at=6.0)
    for rank in order:
        processes[rank].status = {0: 1, 1: 2, 2: KILL}[rank]
        ended = running_job.poll()
    assert ended == Ended(2, "no picture at a.png")


@pytest.mark.parametrize("told_first", [True, False])
def test_a_process_that_was_killed_is_told_and_not_that_others_lost_it(tmp_path: Path, told_first: bool) -> None:
    one, two = Fake(), Fake()
    running_job = group(tmp_path, one, two)
    leave(tmp_path, 0, 1, LOST, at=1.0)
    for process, status in ((one, 1), (two, KILL))[:: 1 if told_first else -1]:
        process.status = status
        ended = running_job.poll()
    assert ended.status == 1
    assert ended.message.startswith("process 1 of train sft was ended by SIGKILL (out of memory")


def test_an_abort_of_a_process_that_lost_another_does_not_hide_why(tmp_path: Path) -> None:
    one, two = Fake(), Fake()
    running_job = group(tmp_path, one, two)
    two.status = ABORT
    running_job.poll()
    leave(tmp_path, 0, 1, "ValueError: broken", at=1.0)
    one.status = 1
    assert running_job.poll() == Ended(1, "ValueError: broken")


def test_the_first_of_several_defects_is_told(tmp_path: Path) -> None:
    one, two = Fake(), Fake()
    leave(tmp_path, 0, 1, LOST, at=2.0)
    leave(tmp_path, 1, 1, "ValueError: broken", at=1.0)
    one.status = two.status = 1
    assert group(tmp_path, one, two).poll() == Ended(1, "ValueError: broken")


def test_who_hangs_behind_one_that_failed_is_asked_and_then_ended_within_a_minute(tmp_path: Path, clock: Clock) -> None:
    hangs, failed = Fake(), Fake()
    running_job = group(tmp_path, hangs, failed)
    leave(tmp_path, 1, 1, "ValueError: broken", at=1.0)
    failed.status = 1
    ended = None
    while ended is None and clock.now < 60:
        ended = running_job.poll()
        clock.now += 1
    assert hangs.got == [signal.SIGTERM, signal.SIGKILL]
    assert ended == Ended(1, "ValueError: broken")


def test_who_hangs_behind_one_that_was_killed_does_not_make_it_a_stop(tmp_path: Path, clock: Clock) -> None:
    hangs, killed = Fake(dies_of=()), Fake()
    running_job = group(tmp_path, hangs, killed)
    killed.status = KILL
    running_job.poll()
    clock.now += 20
    running_job.poll()
    assert hangs.got == [signal.SIGTERM]
    leave(tmp_path, 0, 130, "stopped by SIGTERM", at=20.0)
    hangs.status = 130
    assert "process 1 of train sft was ended by SIGKILL" in running_job.poll().message


def test_asked_to_stop_it_says_where_it_stopped(tmp_path: Path) -> None:
    one, two = Fake(), Fake()
    running_job = group(tmp_path, one, two)
    running_job.ask_to_stop(signal.SIGTERM)
    for rank in range(2):
        leave(tmp_path, rank, 130, "stage sft stopped by SIGTERM at step 3 of 6", at=rank)
    one.status = two.status = 130
    assert running_job.poll() == Ended(130, "stage sft stopped by SIGTERM at step 3 of 6")


@pytest.mark.parametrize("statuses", [(TERM, TERM), (130, TERM), (130, 130), (0, TERM)])
def test_asked_before_it_could_heed_it_is_stopped_all_the_same(tmp_path: Path, statuses: tuple[int, int]) -> None:
    one, two = Fake(), Fake()
    running_job = group(tmp_path, one, two)
    running_job.ask_to_stop(signal.SIGTERM)
    one.status = statuses[0]
    running_job.poll()
    two.status = statuses[1]
    assert running_job.poll() == Ended(130, "stopped by SIGTERM; what was finished is kept")


def test_what_a_process_says_that_lost_a_stopped_one_is_not_told(tmp_path: Path) -> None:
    one, two = Fake(), Fake()
    running_job = group(tmp_path, one, two)
    running_job.ask_to_stop(signal.SIGTERM)
    leave(tmp_path, 0, 130, "stopped by SIGTERM", at=1.0)
    leave(tmp_path, 1, 1, LOST, at=1.1)
    one.status, two.status = 130, 1
    assert running_job.poll() == Ended(130, "stopped by SIGTERM")


def test_a_process_that_others_have_ended_is_no_stop_although_it_was_asked_to_stop_later(tmp_path: Path) -> None:
    one, two = Fake(dies_of=(signal.SIGTERM,)), Fake()
    running_job = group(tmp_path, one, two)
    two.status = TERM  # nobody has looked since
    running_job.ask_to_stop(signal.SIGTERM)
    assert "process 1 of train sft was ended by SIGTERM" in running_job.poll().message


def test_who_ends_without_a_word_is_told_with_its_status(tmp_path: Path) -> None:
    one = Fake()
    one.status = 7
    assert group(tmp_path, one).poll() == Ended(1, "a process of train sft ended with status 7 and said nothing")
