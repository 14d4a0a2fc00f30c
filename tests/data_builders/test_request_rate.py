"""Laws of the bound on requests a minute: it holds in every minute, for all threads and retries, and costs no more."""

import itertools
import threading
import time

import pytest
from fake_endpoint import KEY, endpoint, failed, said

from data_builders.__main__ import main
from data_builders.shared.errors import UserError
from data_builders.shared.llm import Budget, BudgetSpent, Client, Endpoint, user
from data_builders.shared.llm import sending as module
from data_builders.shared.llm.rate import MINUTE_SECONDS, RequestRate, wait_or_stop
from data_builders.shared.llm.workers import Stopped

PER_MINUTE = 5
HANGS = 600.0  # seconds: a bound for what hangs, not for what is slow


class Clock:
    """Goes on only while somebody waits for a turn, and not before the endpoint has seen what left until then."""

    def __init__(self) -> None:
        self.now, self.waits, self.server, self.alone = 0.0, 0, None, threading.Lock()

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float, stop: threading.Event) -> None:
        assert self.alone.acquire(blocking=False), "several threads wait for the same turn"
        until = time.monotonic() + HANGS
        while self.server is not None and len(self.server.requests) < self.waits:
            assert time.monotonic() < until, "a request left without a turn, or a turn without a request"
            time.sleep(0.001)
        time.sleep(0.002)  # long enough for another thread to come
        self.waits += 1
        self.now += seconds
        self.alone.release()


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    one = Clock()
    monkeypatch.setattr(module, "RequestRate", lambda per_minute: RequestRate(per_minute, one, one.wait))
    return one


def client(server, cache, **settings) -> Client:
    settings = {"requests_per_minute": PER_MINUTE, "concurrency": 8, "first_wait_seconds": 0.001, **settings}
    return Client(Endpoint(model="m", cache=cache, base_url=server.url, timeout_seconds=10.0, **settings))


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(start <= one < start + 60 for one in times) for start in times)


def test_no_minute_holds_more_requests_retries_and_threads_included(tmp_path, clock):
    times = []

    def answer(number, body):
        times.append(clock.now)
        busy = (failed(429, Retry_After="0"), failed(500), said(""))  # refused, broken, no usable answer
        return busy[number % 9 // 3] if number % 3 == 0 else said("yes")

    with endpoint(answer) as server:
        clock.server = server
        one = client(server, tmp_path)
        asked = [[user(f"item {number}")] for number in range(20)]
        assert list(one.each(one.ask, asked, "test")) == ["yes"] * 20
        assert len(times) == one.budget.requests > 25
        assert most_in_a_minute(times) == PER_MINUTE
        # Spread, not let through in bursts; and no slower than the bound.
        steps = [after - before for before, after in itertools.pairwise([0.0, *sorted(times)])]
        assert steps == pytest.approx([MINUTE_SECONDS / PER_MINUTE] * len(times))

        waited, sent = clock.waits, len(times)
        again = client(server, tmp_path)
        assert list(again.each(again.ask, asked, "test")) == ["yes"] * 20
        assert (clock.waits, len(times), again.cached) == (waited, sent, 20)  # what is kept takes no turn


def test_runs_one_after_another_keep_the_bound_together(tmp_path, clock):
    times = []
    with endpoint(lambda number, body: times.append(clock.now) or said("yes")) as server:
        clock.server = server
        for number in range(12):
            client(server, tmp_path).ask([user(f"item {number}")])
    assert most_in_a_minute(times) == PER_MINUTE


def test_a_slow_time_is_not_made_up_for_by_a_burst():
    clock = Clock()
    one, times = RequestRate(PER_MINUTE, clock, clock.wait), []
    for slow in [0, 0, 300, 0, 1, 0, 0, 100, 0, 0]:
        clock.now += slow
        one.take(threading.Event())
        times.append(clock.now)
    assert min(after - before for before, after in itertools.pairwise(times)) >= 60 / PER_MINUTE


def test_a_spent_budget_does_not_wait_for_a_turn(tmp_path, clock):
    with endpoint() as server:
        with pytest.raises(BudgetSpent):
            client(server, tmp_path, budget=Budget(0)).ask([user("more")])
        assert (clock.waits, len(server.requests)) == (0, 0)


def test_who_is_stopped_while_waiting_leaves_at_once_and_uses_up_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    waiting = threading.Event()

    def wait(seconds, stop):
        waiting.set()
        wait_or_stop(seconds, stop)

    monkeypatch.setattr(module, "RequestRate", lambda per_minute: RequestRate(per_minute, wait=wait))
    with endpoint() as server:
        one, gone = client(server, tmp_path, requests_per_minute=0.001), []

        def ask(number):
            try:
                one.ask([user(f"item {number}")])
            except Stopped:
                gone.append(number)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        assert waiting.wait(HANGS)
        one.stop.set()
        for thread in threads:
            thread.join(HANGS)  # far less than the turn would take
        assert sorted(gone) == list(range(8))
        assert (one.budget.requests, len(server.requests)) == (0, 0)


def test_without_a_bound_nobody_waits(tmp_path, clock):
    with endpoint(lambda number, body: said("yes")) as server:
        one = client(server, tmp_path, requests_per_minute=None)
        assert list(one.each(lambda n: one.ask([user(str(n))]), range(12), "test")) == ["yes"] * 12
    assert clock.waits == 0


@pytest.mark.parametrize("wrong", ["0", "-3", "nan", "inf", "many"])
def test_a_rate_that_is_none_is_refused(wrong, tmp_path):
    command = ["open_world", "--root", str(tmp_path), "--out", str(tmp_path / "out"), "--source", "cub"]
    with pytest.raises(UserError, match="requests_per_minute is"):
        main([*command, "--texts", str(tmp_path), "--requests-per-minute", wrong])
