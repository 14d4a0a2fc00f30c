"""What is paid is kept, nothing is paid that cannot be kept, and one refused request ends nothing."""

import errno
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from endpoint_faults import Reply, answerer, choice, endpoint, failed, hurried, reply_to, results, start
from PIL import Image
from table import rows

from evaluation.protocols import ImageQuestions, Question

pytestmark = pytest.mark.usefixtures("hurried")
__all__ = ["hurried"]


def kept(folder: Path) -> int:
    return len(list((folder / "cache").rglob("requests/*/[0-9a-f]*.json")))


@rows(
    *(
        (f"{command}: {what}", (command, reply), out)
        for command, out in (("run", 2), ("judge", 0), ("score", 0))
        for what, reply in (
            ("a filter", failed(400, "content management policy", code="content_filter")),
            ("a moderator", failed(403, "flagged by moderation")),
            ("a server that fails at this picture", failed(500, "Internal Server Error")),
            ("replies without an answer", choice(None)),
        )
    ),
)
def test_one_refused_request_ends_nothing(tmp_path, how, out):
    """Five of six come; the exit status says whether it is to be started again."""
    command, refusal = how
    refused: list[str] = []

    def answer(number, body):
        asked = json.dumps(body["messages"][: 1 if command != "score" else 2])
        refused.extend([asked] if number == 2 else [])
        return refusal if asked in refused else reply_to(command)

    with endpoint(answer) as server:
        assert start(command, tmp_path, server) == out
    assert results(command, tmp_path) == 5


def test_a_picture_that_is_filtered_ends_nothing_though_it_comes_first(tmp_path):
    images = [ImageQuestions(Path(f"{tmp_path}/{n}.png"), questions(40 - n)) for n in range(2)]
    for n in range(2):
        Image.new("RGB", (8, 8), (0, 0, n)).save(tmp_path / f"{n}.png")
    answers = iter([failed(400, "filtered")] * 40)
    with answerer(tmp_path, lambda number, body: next(answers, choice())) as (one, _):
        first, second = one.answer(images)
    assert not any(hasattr(found, "text") for found in first)
    assert [found.text for found in second] == ["Yes"] * 39


def questions(count: int) -> tuple[Question, ...]:
    return tuple(Question(f"Is it {n}?", 16) for n in range(count))


@rows(("run", "run", 2), ("judge", "judge", 2), ("score", "score", 2))
def test_nothing_at_all_is_no_success(tmp_path, capsys, how, out):
    with endpoint(lambda number, body: failed(400, "content management policy")) as server:
        assert start(how, tmp_path, server) == out
    assert "content management policy" in capsys.readouterr().err


@rows(*((command, command, 1) for command in ("run", "judge", "score")))
def test_a_full_disk_stops_paying(tmp_path, monkeypatch, capsys, how, out):
    """Requests that leave once no reply can be written any more."""
    real = os.fsync

    def full(handle):
        if "cache" in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with endpoint(lambda number, body: reply_to(how)) as server:
        monkeypatch.setattr(os, "fsync", full)
        assert start(how, tmp_path, server) == 2
        assert len(server.requests) == out
    assert "no space left" in capsys.readouterr().err


@rows(*((command, command, 0) for command in ("run", "judge", "score")))
def test_a_disk_that_is_full_already_costs_nothing(tmp_path, monkeypatch, how, out):
    def full(*_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with endpoint(lambda number, body: reply_to(how)) as server:
        monkeypatch.setattr(os, "posix_fallocate", full)
        assert start(how, tmp_path, server) == 2
        assert len(server.requests) == out


@pytest.fixture
def hears() -> Iterator[None]:
    """Ctrl-C and a closed terminal reach the test, also where what started it ignores them (nohup, a job behind &)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGHUP, before[1])


@pytest.mark.usefixtures("hears")
@rows(
    ("run: SIGTERM", ("run", signal.SIGTERM, 1), 143),
    ("run: several SIGTERM", ("run", signal.SIGTERM, 3), 143),
    ("run: SIGUSR1 of a queue", ("run", signal.SIGUSR1, 1), 138),
    ("run: Ctrl-C", ("run", signal.SIGINT, 1), 130),
    ("judge: SIGTERM", ("judge", signal.SIGTERM, 1), 143),
    ("judge: a closed terminal", ("judge", signal.SIGHUP, 1), 129),
    ("score: SIGTERM", ("score", signal.SIGTERM, 1), 143),
)
def test_a_signal_loses_nothing_that_is_paid(tmp_path, how, out):
    """Three requests are under way when it comes: their replies are kept, and no other is sent."""
    command, number, times = how

    def answer(place, body):
        if place == 3:
            for _ in range(times):
                os.kill(os.getpid(), number)
        return Reply(reply_to(command).body, seconds=0.3)

    with endpoint(answer) as server:
        assert start(command, tmp_path, server, "--concurrency", "3") == out
        asked = len(server.requests)
        assert asked < 6
        assert kept(tmp_path) == asked
        server.answer = lambda place, body: reply_to(command)
        assert start(command, tmp_path, server) == 0
        assert len(server.requests) == 6
