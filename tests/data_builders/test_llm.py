"""Laws of the client: what was paid for is never paid again, nothing is asked without bound, no key leaves it."""

import json

import pytest
from fake_endpoint import KEY, NEVER, Reply, endpoint, failed, said
from llm_fakes import ASKED, Count, client

from data_builders.shared.errors import UserError
from data_builders.shared.llm import Client, Endpoint, sending, user
from data_builders.shared.llm.replies import Unusable, parse
from data_builders.shared.llm.waiting import retry_after


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_an_answer_is_paid_once_and_another_addresss_is_another(tmp_path):
    with endpoint(lambda number, body: said(f"answer {number}")) as server, endpoint(lambda *_: said("no")) as other:
        first = client(server, tmp_path).ask(ASKED)
        assert client(server, tmp_path).ask(ASKED) == first == "answer 1"
        assert client(other, tmp_path).ask(ASKED) == "no"
        assert (len(server.requests), len(other.requests)) == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"sample": 1},
        {"temperature": 0.5},
        {"max_tokens": 7},
        {"messages": [user("How many more?")]},
        {"model": "n"},
        {"checkpoint": "after"},
    ],
)
def test_another_question_is_another_request(tmp_path, change):
    with endpoint(lambda number, body: said('{"count": 3}')) as server:
        client(server, tmp_path).ask(ASKED)
        messages, sample = change.pop("messages", ASKED), change.pop("sample", 0)
        asked = Client(Endpoint(**{"model": "m", **change}, cache=tmp_path, base_url=server.url))
        asked.ask(messages, sample=sample)
        assert len(server.requests) == 2


def test_the_same_words_asked_with_a_form_in_mind_are_the_same_request(tmp_path):
    with endpoint(lambda number, body: said('{"count": 3}' if number < 3 else "three")) as server:
        client(server, tmp_path).ask(ASKED)
        assert client(server, tmp_path).ask(ASKED, schema=Count) == Count(count=3)
        assert len(server.requests) == 1


def test_the_same_request_at_the_same_time_is_paid_once(tmp_path):
    with endpoint(lambda number, body: Reply(said("yes").body, seconds=0.1)) as server:
        one = client(server, tmp_path)
        assert list(one.each(lambda _: one.ask(ASKED), range(6), "test")) == ["yes"] * 6
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "busy",
    [failed(429, Retry_After="0.2"), failed(500), failed(503), failed(408), Reply("<html>", headers={}), Reply("{")],
)
def test_a_busy_or_broken_endpoint_is_asked_again(tmp_path, busy, monkeypatch):
    waits = []
    monkeypatch.setattr(sending, "pause", lambda seconds, *more: waits.append(seconds))
    with endpoint(lambda number, body: busy if number < 3 else said("at last")) as server:
        assert client(server, tmp_path).ask(ASKED) == "at last"
        assert len(server.requests) == 3
    # Retry-After goes before the client's own, shorter waits
    assert [seconds >= 0.2 for seconds in waits] == [busy.status == 429] * 2


def test_waiting_times_are_read_as_seconds_and_as_dates():
    assert retry_after({"retry-after": "2.5"}) == 2.5
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert 3e8 < retry_after({"retry-after": "Wed, 21 Oct 2065 07:28:00 GMT"}) < 4e9
    assert retry_after({}) is None
    assert retry_after({"retry-after": "soon"}) is None


def test_a_dead_endpoint_is_asked_a_bounded_number_of_times(tmp_path):
    with endpoint(lambda number, body: failed(500, "down")) as server:
        with pytest.raises(UserError, match=r"answered 500.*asked 3 times"):
            client(server, tmp_path, tries=3).ask(ASKED)
        assert len(server.requests) == 3
    assert not list(tmp_path.rglob("*.json"))


def test_an_endpoint_that_never_answers_ends_in_an_error(tmp_path):
    with endpoint(lambda number, body: Reply(seconds=NEVER)) as server:
        with pytest.raises(UserError, match=r"no answer from http.* in 0\.1 s, 3 times"):
            client(server, tmp_path, timeout_seconds=0.1).ask(ASKED)
        assert len(server.requests) == 3


def test_a_server_that_wants_an_hour_is_left_for_later(tmp_path):
    with endpoint(lambda number, body: failed(429, Retry_After="3600")) as server:
        with pytest.raises(UserError, match="come back in 3,600 s"):
            client(server, tmp_path).ask(ASKED)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (failed(401, f"Incorrect API key provided: {KEY}"), "OPENAI_API_KEY"),
        (failed(404, "no model"), "Is there a model 'm'"),
        (failed(400, "too long"), "too long"),
        (failed(429, "pay first", code="insufficient_quota"), "no quota"),
    ],
)
def test_what_waiting_does_not_cure_is_not_asked_again(tmp_path, reply, says):
    with endpoint(lambda number, body: reply) as server:
        with pytest.raises(UserError, match=says) as caught:
            client(server, tmp_path).ask(ASKED)
        assert len(server.requests) == 1
        assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "bad", ["", "  \n", None, "no json at all", '{"count": ', '{"count": "many"}', '{"number": 3}']
)
def test_a_reply_that_is_no_answer_is_asked_again_and_never_kept(tmp_path, bad):
    with endpoint(lambda number, body: said(bad) if number == 1 else said('Sure: {"count": 3}')) as server:
        assert client(server, tmp_path).ask(ASKED, schema=Count) == Count(count=3)
        assert len(server.requests) == 2
        assert "cannot be used" in json.dumps(server.requests[1])  # it is told what was wrong
    with endpoint(lambda number, body: said(bad)) as server:
        with pytest.raises(UserError, match=r"no usable answer in 3 replies"):
            client(server, tmp_path / "bad").ask(ASKED, schema=Count)
        assert len(server.requests) == 3
    assert not list((tmp_path / "bad").rglob("*.json"))


def test_a_cut_off_reply_is_no_answer(tmp_path):
    with endpoint(lambda number, body: said("It is", "length") if number == 1 else said("It is red.")) as server:
        assert client(server, tmp_path).ask(ASKED) == "It is red."


def test_a_check_of_ones_own_is_asked_again(tmp_path):
    with endpoint(lambda number, body: said("short" if number == 1 else "long enough")) as server:
        answer = client(server, tmp_path).ask(ASKED, check=lambda text: None if len(text) > 6 else "too short")
        assert answer == "long enough"
        assert "too short" in json.dumps(server.requests[1])


def test_json_is_found_in_fences_and_among_words():
    for text in ('```json\n{"count": 1}\n```', 'Here: {"count": 1}. Done.'):
        assert parse(text, Count) == Count(count=1)
    with pytest.raises(Unusable, match="empty"):
        parse(" \n", None)
