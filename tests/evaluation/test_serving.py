"""A server of one's own: up before it is asked, told when it fails, and gone whatever ends its starter."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from evaluation_fakes import make_benchmark
from serving_stand import gone, runs, stand

from data_builders.shared.errors import UserError
from evaluation.asking import ask, evaluate
from evaluation.protocols import ImageQuestions, Question
from evaluation.serving import answerer as answerers
from evaluation.serving import server
from evaluation.tasks.load import load_tasks

__all__ = ["stand"]


def test_it_is_started_waited_for_asked_and_ended(stand, tmp_path):
    stand.behave(slow=3, engine=True)
    tasks = load_tasks(["fgbmk"], [make_benchmark(tmp_path / "data")])
    stand.monkeypatch.setenv("RANK", "3")
    stand.monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with stand.served(gpu="5", dtype="float32", seed=7) as model:
        assert "3/3" in stand.log.read_text()  # it was not asked before it was well
        rows = [row for rows in ask(model, tasks, tmp_path / "out").values() for row in rows]
        assert not gone([])
        assert runs(stand.starts[0]["engine"])
    assert rows
    assert all(row["answer"] == ("yes" if len(row["prompt"]) % 2 == 0 else "no") for row in rows)
    assert {row["model_hash"] for row in rows} == {"a" * 32}
    assert {tuple(row["served_by"]) for row in rows} == {("checkpoint-" + "a" * 16, "vllm-0.33.0-tp1")}
    assert gone(stand.starts)
    assert len(stand.starts) == 1
    words, environment = stand.starts[0]["words"], stand.starts[0]["environment"]
    assert words[:2] == ["serve", str(stand.checkpoint)]
    asked_for = dict(zip(words[2::2], words[3::2], strict=True))
    assert asked_for["--host"] == "127.0.0.1"
    assert "--trust-remote-code" not in words
    assert asked_for["--dtype"] == "float32"
    assert asked_for["--seed"] == "7"
    assert asked_for["--chat-template"] == str(stand.checkpoint / "chat_template.jinja")
    assert environment["CUDA_VISIBLE_DEVICES"] == "5"
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert "RANK" not in environment
    assert "VLLM_API_KEY" not in os.environ


FAILS = [
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "too little free memory", {}),
    (
        "ValueError: Free memory on device (1.0/79.1 GiB) on startup is less than desired",
        "is another program on it",
        {},
    ),
    ("ValueError: Model architectures ['X'] are not supported for now.", "install a newer one", {}),
    ("ValueError: There is no module or parameter named 'vision_tower.x'", "fgtrain export --format vllm", {}),
    ("vllm: error: unrecognized arguments: --seed 0", "takes other options", {}),
    ("OSError: [Errno 98] Address already in use", "Address already in use", {"starts": server.PORTS}),
]


@pytest.mark.parametrize(("said", "told", "more"), FAILS, ids=[one[1] for one in FAILS])
def test_one_that_dies_at_its_start_is_told_with_its_reason(stand, said, told, more):
    stand.behave(fails=said)
    with pytest.raises(UserError) as caught, stand.served():
        pytest.fail("it is up")
    message = str(caught.value)
    assert told in message
    assert said.partition(": ")[2] in message
    assert str(stand.log) in message
    assert message.index(said.split(": ", 1)[1][:20]) < message.index("Engine core initialization failed")
    assert gone(stand.starts)
    assert len(stand.starts) == more.get("starts", 1)


def test_a_port_that_somebody_has_taken_meanwhile_is_left_to_him(stand):
    stand.behave(port_taken=2)
    with stand.served() as model:
        assert model.answer([ImageQuestions(None, (Question("even"),))])[0][0].text == "yes"
    ports = [one["words"][one["words"].index("--port") + 1] for one in stand.starts]
    assert len(set(ports)) == 3
    assert gone(stand.starts)


@pytest.mark.parametrize("how", [{"hangs": True}, {"root": "/somebody/elses"}], ids=["silent", "another's model"])
def test_one_that_does_not_get_on_is_given_up(stand, how):
    stand.behave(stubborn=True, engine=True, **how)
    with pytest.raises(UserError, match="is not up and has said nothing"), stand.served(silent_seconds=1.0):
        pytest.fail("it is up")
    assert gone(stand.starts)


def test_a_crash_in_mid_run_is_told_and_what_was_answered_is_kept(stand, tmp_path, monkeypatch):
    stand.behave(crash_after=9, engine=True)
    monkeypatch.setattr(answerers, "CONCURRENCY", 2)
    monkeypatch.setattr(answerers, "TRIES", 1)
    tasks, out = load_tasks(["fgbmk"], [make_benchmark(tmp_path / "data")]), tmp_path / "out"
    with pytest.raises(UserError, match="in the middle of its work") as caught, stand.served() as model:
        evaluate(model, tasks, out, batch_size=4)
    assert "torch.AcceleratorError: an illegal access" in str(caught.value)
    assert str(stand.log) in str(caught.value)
    assert gone(stand.starts)
    kept = [line for path in out.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(kept) >= 4
    stand.behave()
    with stand.served() as model:
        scores = evaluate(model, tasks, out, batch_size=4)
    after = [line for path in out.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert set(kept) <= set(after)
    assert scores
    assert not model.unanswered


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL, "exception", "while it is asked"])
def test_no_server_outlives_the_one_who_has_started_it(stand, end):
    """The starter is a process of its own; the server and its engine ignore that they are asked to end."""
    stand.behave(stubborn=True, engine=True, says="late")
    program = f"""
        import sys, time
        from pathlib import Path
        from evaluation.serving import Vllm, VllmModel, place_of_vllm, served, server
        server.LOOK_SECONDS, server.GRACE_SECONDS = 0.02, 0.5
        from evaluation.protocols import ImageQuestions, Question
        with served(Vllm(place_of_vllm(), "0"), VllmModel("x", Path({str(stand.checkpoint)!r}), "c" * 32),
                    Path({str(stand.log)!r})) as model:
            print("up", flush=True)
            if {end == "exception"}:
                raise RuntimeError
            if {end == "while it is asked"}:
                model.answer([ImageQuestions(None, (Question("what?"),))])
            time.sleep(600)
    """
    starter = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert starter.stdout.readline().strip() == "up"
    assert runs(stand.starts[0]["pid"])
    assert runs(stand.starts[0]["engine"])
    if end != "exception":
        starter.send_signal(signal.SIGTERM if end == "while it is asked" else end)
    assert starter.wait() != 0
    starter.stdout.close()
    assert gone(stand.starts)
