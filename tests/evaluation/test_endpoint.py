"""Endpoints: nothing is re-encoded, nothing is paid twice, and no failure becomes an answer."""

import base64
import importlib.util
import json
import sys
import threading
from pathlib import Path

import pytest
from evaluation_fakes import FakeAnswerer, FakesInstalled, make_benchmark

from data_builders.shared.errors import UserError
from data_builders.shared.llm import sending
from data_builders.shared.llm.rate import MINUTE_SECONDS, RequestRate
from evaluation import __main__ as command
from evaluation.asking import ask, evaluate, read_unanswered
from evaluation.asking.answerers import find
from evaluation.asking.answerers.endpoint import endpoint_answerer
from evaluation.protocols import Answerer
from evaluation.tasks.load import load_tasks

_path = Path(__file__).parents[1] / "data_builders" / "fake_endpoint.py"
_spec = importlib.util.spec_from_file_location("fake_endpoint", _path)
fake = sys.modules.setdefault("fake_endpoint", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(fake)

HANGS = 600.0  # seconds: a bound for what hangs, not for what is slow


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", fake.KEY)


@pytest.fixture
def data(tmp_path):
    return make_benchmark(tmp_path / "data")


def question_of(body):
    return body["messages"][0]["content"][-1]["text"]


def answerer(one, tmp_path, **options):
    found = endpoint_answerer("endpoint:gpt-x", tmp_path / "replies", base_url=one.url, **options)
    # no waiting in tests
    object.__setattr__(found.client.endpoint, "first_wait_seconds", 0.001)
    return found


def run(one, data, out, *more):
    who = ["--model", "endpoint:gpt-x", "--base-url", one.url]
    return command.main(["run", *who, "--tasks", "fgbmk", "--data", str(data), "--out", str(out), *more])


def test_a_picture_is_sent_as_its_files_own_bytes_with_the_bare_question(data, tmp_path):
    with fake.endpoint(lambda number, body: fake.said("yes")) as one:
        model = answerer(one, tmp_path)
        assert isinstance(model, Answerer)
        (task,) = load_tasks(["fgbmk/cub/species/true_false"], [data])
        rows = ask(model, [task], tmp_path / "out")[task.name]
    assert {row["answer"] for row in rows} == {"yes"}
    assert all("options_log_probability" not in row for row in rows)
    sent = {}
    for body in one.requests:
        (message,) = body["messages"]
        image, text = message["content"]
        head, _, content = image["image_url"]["url"].partition(",")
        assert head == "data:image/png;base64"
        sent[text["text"], base64.b64decode(content)] = (body["temperature"], body["max_tokens"])
    assert sent == {(item.prompt, item.image_path.read_bytes()): (0.0, 32) for item in task.items}


def test_failures_are_unanswered_and_asked_again(data, tmp_path):
    broken = True

    def answer(number, body):
        refused = "Choose one" in question_of(body) and number % 2
        return fake.failed(400, "filtered") if broken and refused else fake.said("no")

    tasks = load_tasks(["fgbmk"], [data])
    with fake.endpoint(answer) as one:
        scores = evaluate(answerer(one, tmp_path, concurrency=1), tasks, tmp_path / "out")
        missing = read_unanswered(tmp_path / "out")
        assert missing
        assert {row["task"] for row in missing} == {"fgbmk/cub/species/choice"}
        assert all("filtered" in row["reason"] for row in missing)
        score = scores["fgbmk/cub/species/choice"]
        assert score.n == 8 - len(missing)
        assert any(f"{len(missing)} of 8 questions unanswered" in note for note in score.notes)
        broken, before = False, len(one.requests)
        scores = evaluate(answerer(one, tmp_path), tasks, tmp_path / "out")
        assert len(one.requests) - before == len(missing)
    assert scores["fgbmk/cub/species/choice"].n == 8
    assert read_unanswered(tmp_path / "out") == []


def test_a_task_of_which_nothing_was_answered_has_no_score(data, tmp_path):
    def answer(number, body):
        return fake.failed(400) if "Choose one" in question_of(body) else fake.said("no")

    with fake.endpoint(answer) as one:
        scores = evaluate(answerer(one, tmp_path, concurrency=1), load_tasks(["fgbmk"], [data]), tmp_path / "out")
    assert set(scores) == {"fgbmk/cub/species/true_false", "fgbmk/cub/species/short_answer"}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (lambda: fake.failed(500), "answered 500"),
        (lambda: fake.failed(401), "Is the key in OPENAI_API_KEY"),
        (lambda: fake.failed(404), "Is there a model"),
        (lambda: fake.failed(400, "no pictures"), "no pictures"),
        (lambda: fake.Reply("<html>busy</html>"), "no chat completion"),
        (lambda: fake.said(""), "empty reply"),
    ],
)
def test_an_endpoint_that_answers_nothing_stops_the_run(data, tmp_path, monkeypatch, reply, reason):
    monkeypatch.setattr("data_builders.shared.llm.sending.pause", lambda *_: None)
    with fake.endpoint(lambda number, body: reply()) as one:
        with pytest.raises(UserError, match=reason) as error:
            ask(answerer(one, tmp_path, concurrency=2), load_tasks(["fgbmk"], [data]), tmp_path / "out")
        assert len(one.requests) <= 4 * 6
    assert fake.KEY not in str(error.value)
    assert not list((tmp_path / "out").glob("fgbmk*"))


def test_a_busy_endpoint_is_asked_again_and_a_cut_off_answer_counts_as_one(data, tmp_path):
    busy = set()

    def answer(number, body):
        key = json.dumps(body, sort_keys=True)
        if key not in busy:
            busy.add(key)
            return fake.failed(429, retry_after="0") if number % 2 else fake.Reply("<html>")
        return fake.said("It is a wug which", finish="length")

    (task,) = load_tasks(["fgbmk/cub/species/choice"], [data])
    with fake.endpoint(answer) as one:
        rows = ask(answerer(one, tmp_path), [task], tmp_path / "out")[task.name]
        assert len(one.requests) == 16
    assert [(row["answer"], row["finished"]) for row in rows] == [("It is a wug which", False)] * 8


def test_what_was_paid_is_not_paid_again_when_the_answers_are_lost(data, tmp_path):
    tasks = load_tasks(["fgbmk"], [data])
    with fake.endpoint(lambda number, body: fake.said(f"answer {number}")) as one:
        first = ask(answerer(one, tmp_path), tasks, tmp_path / "out")
        assert ask(answerer(one, tmp_path), tasks, tmp_path / "elsewhere") == first
        assert len(one.requests) == 24
    # an equally named model at another address is another model
    with fake.endpoint(lambda number, body: fake.said("other")) as other:
        model = answerer(other, tmp_path)
        assert model.model_hash != answerer(one, tmp_path).model_hash
        rows = ask(model, tasks, tmp_path / "out")
        assert {row["answer"] for some in rows.values() for row in some} == {"other"}


def test_questions_are_under_way_together(data, tmp_path):
    several = threading.Event()

    def answer(number, body):
        if number >= 3:
            several.set()
        assert several.wait(HANGS)  # the first ones are under way until the third has come
        return fake.said("no")

    with fake.endpoint(answer) as one:
        ask(answerer(one, tmp_path, concurrency=6), load_tasks(["fgbmk"], [data]), tmp_path / "out")
        assert 3 <= one.most_at_once <= 6


def test_a_spent_budget_stops_and_keeps_what_came(data, tmp_path):
    tasks = load_tasks(["fgbmk"], [data])
    with fake.endpoint(lambda number, body: fake.said("no")) as one:
        with pytest.raises(UserError, match="budget of 10 requests"):
            ask(answerer(one, tmp_path, budget=10), tasks, tmp_path / "out", batch_size=4)
        assert len(one.requests) == 10
        ask(answerer(one, tmp_path), tasks, tmp_path / "out", batch_size=4)
        assert len(one.requests) == 24


def test_plain_text_is_refused_before_anything_is_asked(data, tmp_path):
    with fake.endpoint(lambda number, body: fake.said("no")) as one:
        with pytest.raises(UserError, match="leave out perplexity/stories"):
            ask(answerer(one, tmp_path), load_tasks(["fgbmk", "perplexity"], [data]), tmp_path / "out")
        assert one.requests == []


def test_the_command_asks_scores_and_says_what_is_missing(data, tmp_path, capsys):
    with fake.endpoint(lambda number, body: fake.failed(400, "odd") if number == 3 else fake.said("no")) as one:
        assert run(one, data, tmp_path / "run", "--concurrency", "1") == 2
        shown = capsys.readouterr()
        assert "1 questions got no answer" in shown.err
        assert "odd" in shown.err
        assert run(one, data, tmp_path / "run") == 0
        assert len(one.requests) == 25
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert {task["n"] for task in scores["checkpoints"][0]["tasks"].values()} == {8}


def test_thoughts_are_no_part_of_an_answer(data, tmp_path):
    (task,) = load_tasks(["fgbmk/cub/species/choice"], [data])
    with fake.endpoint(lambda number, body: fake.said("<think>yes or no?</think>\n lum wug ")) as one:
        rows = ask(answerer(one, tmp_path), [task], tmp_path / "out")[task.name]
    assert {row["answer"] for row in rows} == {"lum wug"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "endpoint:"], "names no model"),
        (["--model", "endpoint:x", "--base-url", "ftp://x"], "base URL"),
        (["--model", "folder", "--base-url", "http://127.0.0.1:1"], "write --model endpoint:folder"),
        (["--model", "owner/name"], "Add --network"),
        (["--model", "nowhere"], "no such folder"),
    ],
)
def test_what_cannot_be_asked_is_named(data, tmp_path, capsys, arguments, message):
    assert command.main(["run", *arguments, "--tasks", "fgbmk", "--data", str(data), "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_local_models_are_still_found_by_entry_point(data, tmp_path, monkeypatch):
    monkeypatch.setattr(find, "ANSWERERS", FakesInstalled(FakeAnswerer))
    (tmp_path / "model").mkdir()
    arguments = ["run", "--model", str(tmp_path / "model"), "--tasks", "fgbmk", "--data", str(data)]
    arguments += ["--out", str(tmp_path / "run")]
    assert command.main(arguments) == 2
    (tmp_path / "model" / "fake").touch()
    assert command.main(arguments) == 0


def test_the_bound_on_requests_a_minute_reaches_the_endpoint(data, tmp_path, monkeypatch):
    now, waits = [0.0], []

    def wait(seconds, stop):
        waits.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(sending, "RequestRate", lambda per_minute: RequestRate(per_minute, lambda: now[0], wait))
    with fake.endpoint(lambda number, body: fake.said("yes")) as one:
        options = ["--subset", "2", "--requests-per-minute", "600", "--concurrency", "8"]
        assert run(one, data, tmp_path / "out", *options) == 0
        sent = len(one.requests)
        assert sent >= 4
        assert waits == pytest.approx([MINUTE_SECONDS / 600] * sent)
        assert run(one, data, tmp_path / "again", *options, "--cache", str(tmp_path / "out" / "replies")) == 0
        assert (len(one.requests), len(waits)) == (sent, sent)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        *((f"--requests-per-minute={wrong}", "is not 0.01 or more") for wrong in ("0", "-1", "nan", "inf")),
        ("--requests-per-minute=many", "many is no number"),
        ("--temperature=warm", "warm is no number"),
        ("--concurrency=2.5", "2.5 is no whole number"),
        ("--timeout=-3", "-3 is not 0.001 or more"),
    ],
)
def test_a_number_out_of_range_is_told_what_is_in_it(option, says, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        command.main(["run", "--model", "m", "--tasks", "t", "--data", "d", "--out", str(tmp_path / "out"), option])
    assert left.value.code == 2
    assert says in capsys.readouterr().err
