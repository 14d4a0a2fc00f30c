"""Laws of many requests: the budget, the order, what is kept when a run ends early, and where the key may be."""

import base64
import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_endpoint import KEY, Reply, endpoint, failed, obliging, said
from llm_fakes import ASKED, Count, client
from lock_fakes import MODES, start
from PIL import Image
from small_sources import make_cub

from data_builders.shared.errors import UserError
from data_builders.shared.llm import Budget, BudgetSpent, Client, Endpoint, image, user

REPOSITORY = Path(__file__).resolve().parents[2]
HANGS = 600.0  # seconds: a bound for what hangs, not for what is slow


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_the_budget_bounds_requests_retries_included(tmp_path):
    with endpoint(lambda number, body: failed(500)) as server:
        with pytest.raises(BudgetSpent, match=r"budget of 2 requests is used up.*larger --budget goes on"):
            client(server, tmp_path, budget=Budget(requests=2)).ask(ASKED)
        assert len(server.requests) == 2


def test_a_spent_budget_goes_on_where_it_stopped(tmp_path):
    with endpoint(lambda number, body: said(body["messages"][0]["content"].upper())) as server:

        def run(budget, concurrency=4):
            one = client(server, tmp_path, budget=budget, concurrency=concurrency)
            return list(one.each(lambda n: one.ask([user(f"item {n}")]), range(8), "test"))

        with pytest.raises(BudgetSpent, match=r"sent 5 requests, 500 tokens; 5 of 8 categories"):
            run(Budget(requests=5))
        with pytest.raises(BudgetSpent, match="budget of 100 tokens"):
            run(Budget(tokens=100), 1)
        assert run(Budget()) == [f"ITEM {n}" for n in range(8)]
        assert len(server.requests) == len(set(server.prompts)) == 8


def test_results_come_in_order_and_several_at_a_time(tmp_path):
    others = threading.Event()

    def answer(number, body):
        if number == 1:  # the first reply comes behind others
            assert others.wait(HANGS)
        elif number == 4:
            others.set()
        return said("x")

    with endpoint(answer) as server:
        one = client(server, tmp_path, concurrency=4)
        found = list(one.each(lambda n: (n, one.ask([user(str(n))]))[0], range(12), "test"))
        assert found == list(range(12))
        assert one.ask([user("afterwards")]) == "x"
        assert 2 <= server.most_at_once <= 4


def test_one_failure_ends_the_run_and_keeps_what_was_under_way(tmp_path):
    def answer(number, body):
        text = body["messages"][0]["content"]
        if text != "1":
            assert one.stop.wait(HANGS)  # nothing else ends before the failure has come
        return failed(400, "bad item") if text == "1" else said(text)

    with endpoint(answer) as server:
        one = client(server, tmp_path, concurrency=4)
        with pytest.raises(UserError, match="bad item"):
            list(one.each(lambda n: one.ask([user(str(n))]), range(40), "test"))
        assert len(server.requests) <= 4
        assert len(list(tmp_path.rglob("*.json"))) == len(server.requests) - 1


def test_a_missing_key_is_named_and_a_cached_run_needs_none(tmp_path, monkeypatch):
    with endpoint(lambda number, body: said("yes")) as server:
        client(server, tmp_path).ask(ASKED)
        monkeypatch.delenv("OPENAI_API_KEY")
        assert client(server, tmp_path).ask(ASKED) == "yes"
        with pytest.raises(UserError, match="environment variable OPENAI_API_KEY"):
            client(server, tmp_path).ask([user("more")])
        monkeypatch.setenv("FGTRAIN_API_KEY", "abc")
        client(server, tmp_path, key_variable="FGTRAIN_API_KEY").ask([user("more")])
        assert server.headers[-1]["authorization"] == "Bearer abc"


def test_the_key_is_in_no_file(tmp_path):
    with endpoint(lambda number, body: said("yes")) as server:
        client(server, tmp_path).ask(ASKED)
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY not in path.read_text()


@pytest.mark.parametrize("secret", [KEY, "0123-plain-words"])
def test_an_endpoint_that_repeats_the_key_does_not_spread_it(tmp_path, monkeypatch, secret):
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    for reply in (failed(500, f"cannot use {secret}"), said(f"{secret} is no JSON"), failed(401, f"{secret[:12]}: no")):
        with endpoint(lambda number, body, reply=reply: reply) as server:
            with pytest.raises(UserError) as caught:
                client(server, tmp_path, tries=1).ask(ASKED, schema=Count)
            assert secret not in str(caught.value)
            assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", ["http://me:secret@host/v1", "host:80/v1"])
def test_an_address_that_cannot_be_right(tmp_path, url):
    with pytest.raises(UserError, match="base URL") as caught:
        Client(Endpoint(model="m", cache=tmp_path, base_url=url))
    assert "secret" not in str(caught.value)


def test_the_address_comes_from_the_environment(tmp_path, monkeypatch):
    with endpoint(lambda number, body: said("yes")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert Client(Endpoint(model="m", cache=tmp_path)).ask(ASKED) == "yes"


def test_an_image_leaves_as_its_own_bytes_and_counts_by_them(tmp_path):
    path = tmp_path / "red.jpg"  # a png by its content
    Image.new("RGB", (5, 4), "red").save(path, format="PNG")
    with endpoint(lambda number, body: said("red")) as server:
        one = client(server, tmp_path / "cache")
        one.ask([user("What colour?", path)])
        part, text = server.requests[0]["messages"][0]["content"]
        assert part["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
        assert text == {"type": "text", "text": "What colour?"}
        moved = path.rename(tmp_path / "moved.jpg")
        one.ask([user("What colour?", moved)])
        assert len(server.requests) == 1
        Image.new("RGB", (5, 4), "blue").save(moved, format="PNG")
        one.ask([user("What colour?", moved)])
        assert len(server.requests) == 2
        kept = next((tmp_path / "cache").rglob("*.json")).read_text()
        assert hashlib.sha256(b"").hexdigest() not in kept
        assert "base64" not in kept
        moved.write_bytes(b"not a picture")
        with pytest.raises(UserError, match=r"moved\.jpg is no JPEG"):
            one.ask([{"role": "user", "content": [image(moved)]}])


def test_a_full_disk_is_told_and_leaves_no_half_an_answer(tmp_path, monkeypatch):
    real = os.fsync

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with endpoint(lambda number, body: said("yes")) as server:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="no space left while writing"):
            client(server, tmp_path).ask(ASKED)
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]
        monkeypatch.setattr(os, "fsync", real)
        assert client(server, tmp_path).ask(ASKED) == "yes"


def test_a_damaged_answer_is_named_and_asked_again(tmp_path, capsys):
    with endpoint(lambda number, body: said("yes")) as server:
        client(server, tmp_path).ask(ASKED)
        path = next(tmp_path.rglob("*.json"))
        for damaged in ('{"text"', "[]", '{"text": "yes"}', "\0"):
            path.write_text(damaged)
            assert client(server, tmp_path).ask(ASKED) == "yes"
            assert path.name in capsys.readouterr().err
            assert client(server, tmp_path).ask(ASKED) == "yes"
        assert len(server.requests) == 5


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_pays_no_finished_request_twice(tmp_path, how):
    cub = make_cub(tmp_path / "cub")
    (tmp_path / "texts").mkdir()
    for name in ("Red Jay", "blue-jay", "STELLERS_JAY", "song sparrow", "fox_sparrow", "winter wren", "mockingbird"):
        (tmp_path / "texts" / f"{name}.txt").write_text(f"The {name} is a bird.")

    signalled = threading.Event()

    def held(number, body):
        if len(server.requests) > 8:  # the run cannot end before it is told to
            signalled.wait(HANGS)
        return Reply(obliging(0, body).body, seconds=0.05)

    with endpoint(held) as server:
        command = [sys.executable, "-m", "data_builders", "open_world", "--root", cub, "--out", tmp_path / "out"]
        command += ["--source", "cub", "--texts", tmp_path / "texts", "--frow", "none", "--model", "m"]
        command += ["--base-url", server.url, "--cache", tmp_path / "cache", "--concurrency", "2"]
        command = [str(word) for word in command]
        running = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
        while len(server.requests) < 8 and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(how)
        signalled.set()
        _, told = running.communicate(timeout=HANGS)
        assert running.returncode == (-9 if how == signal.SIGKILL else 130), told
        assert not (tmp_path / "out" / "manifest.json").exists()
        kept = len(list((tmp_path / "cache").rglob("[0-9a-f]*.json")))
        asked = len(server.requests)
        # What was under way at a kill is lost, at Ctrl-C it is waited for.
        assert asked - 2 <= kept <= asked
        if how == signal.SIGINT:
            assert kept == asked
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert len(server.requests) == asked + (7 * 4 - kept)
        assert KEY not in done.stderr + done.stdout + told
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or KEY not in path.read_text()


PAYS = """
import sys
import threading
from pathlib import Path
from data_builders.shared.llm import Client, Endpoint, user
client = Client(Endpoint(model="m", cache=Path(sys.argv[2]), base_url=sys.argv[1], concurrency=4, timeout_seconds=20))
print("asks", flush=True)
sys.stdin.readline()
print(client.ask([user("How many?")]), client.complete([user("How many?")])[0])
"""


@pytest.mark.parametrize("mode", MODES)
def test_one_request_of_several_processes_is_paid_once(tmp_path, mode):
    with endpoint(lambda number, body: said(f"reply {number}")) as server:
        asking = [start(PAYS, server.url, tmp_path / "cache", mode=mode, folder=tmp_path) for _ in range(3)]
        for process in asking:
            assert process.stdout.readline() == "asks\n"
        for process in asking:
            process.stdin.write("\n")
            process.stdin.flush()
        replies = {process.communicate()[0] for process in asking}
        assert len(server.requests) == 2  # an answer, and a reply as it comes
    assert len(replies) == 1
