"""Laws of the judge behind an endpoint: no verdict is guessed, none is paid twice, none is lost."""

import base64
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from judging_fakes import (
    FIELDS,
    KEY,
    NEVER,
    Reply,
    added,
    endpoint,
    failed,
    fair,
    judge,
    make_frow,
    make_run,
    material,
    material_of_first,
    rows_of,
    said,
    verdict,
)

from data_builders.shared.llm import sending
from evaluation.judging.prompt import LONGEST_ANSWER


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr(sending, "pause", lambda *_: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_frow(tmp_path_factory.mktemp("data"))


@pytest.fixture
def answers(data, tmp_path):
    return make_run(tmp_path / "run", data, {2: "it is a dax"})


def test_a_judge_keeps_the_bound_on_requests_a_minute(data, answers, monkeypatch):
    """By a clock that goes on only while somebody waits for a turn."""
    waited = []
    rate = sending.RequestRate
    clock = {"clock": lambda: sum(waited), "wait": lambda seconds, stop: waited.append(seconds)}
    monkeypatch.setattr(sending, "RequestRate", lambda per_minute: rate(per_minute, **clock))
    with endpoint(fair) as server:
        assert judge(server, answers, data, "--requests-per-minute", 600) == 0
    assert len(server.requests) == 6
    assert sum(waited) == pytest.approx(6 * 61 / 600)  # a little more than a minute, which endpoints count otherwise


def test_question_reference_answer_and_the_images_own_bytes_are_sent_in_one_message(data, answers):
    with endpoint(fair) as server:
        assert judge(server, answers, data) == 0
    assert len(server.requests) == 6
    for body in server.requests:
        (message,) = body["messages"]
        image, _text = message["content"]
        asked = material(body)
        number = next(n for n in range(6) if f"eats {n + 3} berries" in asked["reference"])
        sent = image["image_url"]["url"].removeprefix("data:image/jpeg;base64,")
        assert base64.b64decode(sent) == (data / "FROW" / "images" / f"{number}.jpg").read_bytes()
        assert asked["question"] == "What does it eat?"
        assert body["model"] == "gpt-4o-mini"
        assert body["temperature"] == 0


def test_a_judges_file_can_be_graded_by_frows_script(data, answers, capsys):
    with endpoint(fair) as server:
        judge(server, answers, data)
    rows = rows_of(answers)
    assert len(rows) == 6
    assert all({"name", "question", "image", *FIELDS} <= set(row) for row in rows)
    assert {(row["judge"], row["judge_version"]) for row in rows} == {("gpt-4o-mini", 1)}
    assert all(row["final_score"] == (row["Item_accuracy_score"] + row["Fact_accuracy_score"]) / 2 for row in rows)
    # recognition 5 of 6, facts 1 of 3 each: what its sums over the file come to
    item, fact = (sum(float(row[key]) for row in rows) for key in ("Item_accuracy_score", "Fact_accuracy_score"))
    assert (item / 12, fact / 18) == (10 / 12, 6 / 18)
    out = capsys.readouterr().out
    assert "83.33 [" in out
    assert "33.33 [" in out
    assert f"{100 * 16 / 30:.2f} [" in out
    assert "600 tokens (180 written by the judge)" in out


@pytest.mark.parametrize(
    "reply",
    [
        "<html><body>502</body></html>",
        '{"Item_accuracy": "why", "Item_accuracy_score": 2,',
        verdict(3, 1),
        verdict(1, -1),
        verdict(2, 4),
        verdict("two", 1),
        verdict(True, 1),
        verdict(1.5, 1),
        verdict(None, 1),
        verdict("2/2", 1),
        verdict([2], 1),
        verdict(1, 1, Item_accuracy=""),
        verdict(1, 1, final_score=None),
        verdict(1, 1, final_score=float("nan")),
        json.dumps({"Item_accuracy_score": 1} | json.loads(verdict(1, 1))),  # the grade before its reason
        json.dumps({"Item_accuracy": "x", "Item_accuracy_score": 1, "final_score": 1}),
        "",
    ],
)
def test_a_useless_reply_is_asked_again_then_unjudged_never_zero(data, answers, reply, capsys):
    def mixed(number, body):
        return said(reply) if "is the tall dax" in material_of_first(body) else fair(number, body)

    with endpoint(mixed) as server:
        assert judge(server, answers, data) == 0
    assert len(server.requests) == 5 + 3
    assert len(rows_of(answers)) == 5
    (lost,) = rows_of(answers, unjudged=True)
    assert lost["name"] == "tall dax"
    assert "no usable answer" in lost["unjudged"]
    score = added(answers)
    assert [one["n"] for one in score] == [5, 5, 5]
    assert score[1]["value"] == pytest.approx(80)  # 4 of 5: the dax is not counted as wrong
    assert "unjudged" in capsys.readouterr().out


def test_the_second_reply_counts(data, answers):
    def clumsy(number, body):
        return fair(number, body) if len(body["messages"]) > 1 else said("Sure! I would say 2 points.")

    with endpoint(clumsy) as server:
        judge(server, answers, data)
    assert len(server.requests) == 12
    assert len(rows_of(answers)) == 6


def test_nothing_is_paid_twice(data, answers):
    with endpoint(fair) as server:
        judge(server, answers, data)
        first = rows_of(answers)
        assert judge(server, answers, data, cache="other") == 0  # the judge's file itself is enough
        assert len(server.requests) == 6
        shutil.rmtree(answers.parent / "judged")
        judge(server, answers, data)  # and so is the cache
        assert len(server.requests) == 6
        assert rows_of(answers) == first


def test_only_what_changed_is_judged_again(data, answers):
    with endpoint(fair) as server:
        judge(server, answers, data)
        make_run(answers.parents[2], data, {2: "it is a dax", 5: "no idea"})
        judge(server, answers, data, cache="other")
        assert len(server.requests) == 7
        judge(server, answers, data, "--temperature", "none", cache="other")
        assert len(server.requests) == 13
        assert "temperature" not in server.requests[-1]
    assert rows_of(answers)[4]["answer"] == "no idea"


def test_a_row_always_holds_the_answer_that_is_there_now(data, tmp_path):
    answers = make_run(tmp_path / "run", data, {1: "x" * LONGEST_ANSWER + "a"})
    with endpoint(fair) as server:
        judge(server, answers, data)
        make_run(tmp_path / "run", data, {1: "x" * LONGEST_ANSWER + "b"})  # what is sent is the same
        judge(server, answers, data)
        assert len(server.requests) == 6
    assert rows_of(answers)[0]["answer"].endswith("xb")


def test_a_spent_budget_keeps_what_was_judged(data, answers, capsys):
    with endpoint(fair) as server:
        assert judge(server, answers, data, "--budget", 2, "--concurrency", 1) == 2
        assert "--budget" in capsys.readouterr().err
        assert len(rows_of(answers)) == 2
        assert [row["unjudged"] for row in rows_of(answers, unjudged=True)] == ["not asked: the run ended before"] * 4
        assert judge(server, answers, data, cache="other") == 0
        assert len(server.requests) == 6
        resumed = rows_of(answers)
        assert not rows_of(answers, unjudged=True)
        shutil.rmtree(answers.parent / "judged")
        judge(server, answers, data, cache="third")
        assert rows_of(answers) == resumed


@pytest.mark.parametrize(
    ("reply", "said_so"),
    [
        (failed(401, "bad key"), "OPENAI_API_KEY"),
        (failed(404, "no such model"), "gpt-4o-mini"),
        (failed(429, "slow down", retry_after="0"), "429"),
        (failed(429, "empty account", code="insufficient_quota"), "no quota"),
        (failed(500), "500"),
        (Reply("<html>welcome</html>", headers={"Content-Type": "text/html"}), "no chat completion"),
        (Reply({"error": "overloaded"}), "no chat completion"),
    ],
)
def test_an_endpoint_in_trouble_is_one_clear_error_and_loses_nothing(data, answers, reply, said_so, capsys):
    with endpoint(lambda number, body: fair(number, body) if number <= 2 else reply) as server:
        assert judge(server, answers, data, "--concurrency", 1) == 2
    error = capsys.readouterr().err
    assert said_so in error
    assert "Traceback" not in error
    assert KEY not in error
    assert len(rows_of(answers)) == 2
    assert len(rows_of(answers, unjudged=True)) == 4


def test_an_endpoint_that_is_down_or_slow(data, answers, capsys):
    with endpoint(lambda number, body: Reply(seconds=NEVER)) as server:
        assert judge(server, answers, data, "--timeout", 0.1, "--concurrency", 1) == 2
    assert "no answer from" in capsys.readouterr().err
    assert judge(server, answers, data, "--budget", 1, "--concurrency", 1) == 2  # the server is gone now
    assert "cannot be reached" in capsys.readouterr().err
    assert rows_of(answers) == []


def test_a_filter_that_refuses_one_request_leaves_the_others(data, answers):
    def strict(number, body):
        return failed(400, "content policy") if "lum wug" in material(body)["reference"] else fair(number, body)

    with endpoint(strict) as server:
        assert judge(server, answers, data) == 0
    assert len(rows_of(answers)) == 5
    assert "content policy" in rows_of(answers, unjudged=True)[0]["unjudged"]


def test_a_judge_that_never_judges_is_not_asked_to_the_end(data, tmp_path, capsys):
    answers = make_run(tmp_path / "run", data)
    with endpoint(lambda number, body: said("I like birds.")) as server:
        assert judge(server, answers, data, "--concurrency", 1) == 2
    assert len(server.requests) == 15
    assert "no usable answer in 3 replies" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"<svg></svg>"])
def test_an_image_that_cannot_be_sent_is_said_before_anything_is_paid(data, tmp_path, content, capsys):
    broken = tmp_path / "data"
    shutil.copytree(data, broken)
    image = broken / "FROW" / "images" / "3.jpg"
    image.unlink()
    if content is not None:
        image.write_bytes(content)
    answers = make_run(tmp_path / "run", broken)
    with endpoint(fair) as server:
        assert judge(server, answers, broken) == 2
        assert not server.requests
        assert "3.jpg" in capsys.readouterr().err
        assert judge(server, answers, broken, "--without-image") == 0
    assert all(isinstance(body["messages"][0]["content"], str) for body in server.requests)
    assert len(rows_of(answers, "gpt-4o-mini_without_image")) == 6


def test_two_judges_at_one_run_pay_every_answer_once(data, answers, tmp_path):
    """Each with a cache of its own, so that nothing but the run's folder can tell them of each other."""
    second_waits = threading.Event()

    def slow(number, body):
        if number > 1:
            second_waits.set()  # the second asks too: nothing would end its waiting
        second_waits.wait()
        return fair(number, body)

    def start(name, server):
        words = ["judge", "--answers", answers, "--data", data, "--base-url", server.url]
        words += ["--cache", tmp_path / name, "--concurrency", 1]
        command = [sys.executable, "-m", "evaluation", *map(str, words)]
        return subprocess.Popen(
            command, cwd=Path(__file__).resolve().parents[2], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    with endpoint(slow) as server:
        judges = [start(name, server) for name in ("one", "two")]
        told = [threading.Thread(target=_set_when_waiting, args=(one, second_waits)) for one in judges]
        for thread in told:
            thread.start()
        for thread in told:
            thread.join()
        assert [one.wait() for one in judges] == [0, 0]
        outputs = [one.stdout.read() for one in judges]
        for one in judges:
            one.stdout.close()
            one.stderr.close()
        assert len(server.requests) == 6
    assert sorted("6 verdicts of an earlier start still hold" in text for text in outputs) == [False, True]
    assert len(rows_of(answers)) == 6


def _set_when_waiting(process, event):
    for line in process.stderr:
        if "another process judges there" in line:
            event.set()
