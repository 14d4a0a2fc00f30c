"""A kept reply counts only for the model that gave it: what is served under the same name may be another one."""

import json

import pytest
from endpoint_faults import KEY, choice, endpoint, hurried, reply_to, results, start
from PIL import Image
from table import rows

from data_builders.shared.llm import Client, Endpoint, user
from evaluation.__main__ import main

pytestmark = pytest.mark.usefixtures("hurried")
__all__ = ["hurried"]


def pope(folder, questions: int = 3) -> None:
    place = folder / "data" / "general" / "pope"
    place.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(place / "1.png")
    lines = [
        {"question_id": n, "image": "1.png", "question": f"Is it {n}?", "answer": "yes", "category": "random"}
        for n in range(1, questions + 1)
    ]
    (place / "questions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))


def run(server, folder, *more: str) -> int:
    base = ["run", "--model", "endpoint:mine", "--base-url", server.url, "--tasks", "pope", "--data", f"{folder}/data"]
    return main([*base, "--out", f"{folder}/run", "--concurrency", "1", *more])


def answers(folder, checkpoint: str = "start") -> list[str]:
    path = folder / "run" / "answers" / checkpoint / "pope.jsonl"
    return [json.loads(line)["answer"] for line in path.read_text().splitlines()]


def vllm(root: str, **more: object) -> list[dict]:
    return [{"id": "other", "root": "/other"}, {"id": "mine", "object": "model", "root": root, **more}]


BEFORE = {"models": vllm("/runs/x/before"), "model": "mine", "fingerprint": None}


@rows(
    ("nothing", {}, 0),
    ("the root in the list of models", {"models": vllm("/runs/x/after")}, 3),
    ("who owns it", {"models": vllm("/runs/x/before", owned_by="someone")}, 3),
    ("the moment at which the list was made", {"models": vllm("/runs/x/before", created=1234567890)}, 0),
    ("no list any more", {"models": None}, 3),
    ("the checkpoint's name", {"checkpoint": "after"}, 3),
)
def test_another_model_under_the_same_name(tmp_path, capsys, how, out):
    """What is another at the second start, and how many of the three questions are sent again."""
    pope(tmp_path)
    with endpoint(lambda number, body: choice("yes" if number <= 3 else "no")) as server:
        server.models = BEFORE["models"]
        assert run(server, tmp_path) == 0
        server.models = how.get("models", server.models)
        checkpoint = how.get("checkpoint", "start")
        capsys.readouterr()
        assert run(server, tmp_path, "--checkpoint", checkpoint) == 0
        assert len(server.requests) - 3 == out
    assert answers(tmp_path, checkpoint) == (["no"] * 3 if out else ["yes"] * 3)
    told = "3 of 3 answers from replies kept by mine (served from /runs/x/before" in capsys.readouterr().err
    assert told == (out == 0)


@rows(
    ("the same", [("a", "f"), ("a", "f")], False),
    ("another fingerprint", [("a", "f"), ("a", "g")], True),
    ("another name in the reply", [("a", None), ("b", None)], True),
    ("a fingerprint where there was none", [("a", None), ("a", "g")], False),
    ("several machines, one of them seen before", [("a", "f"), ("a", "g"), ("a", "f")], False),
)
def test_what_the_fresh_replies_tell(tmp_path, how, out):
    """One question is open at the second start; the reply to it shows whether the two others are this model's."""
    pope(tmp_path)
    *before, now = how

    def answer(number, body):
        name, fingerprint = before[min(number, len(before)) - 1] if number <= 2 else now
        reply = choice("yes" if number <= 2 else "no")
        reply.body |= {"model": name, "system_fingerprint": fingerprint}
        return reply

    with endpoint(answer) as server:
        assert run(server, tmp_path, "--budget", "2", "--subset", "2") == 0
        assert run(server, tmp_path) == 0
        assert len(server.requests) == (5 if out else 3)
    assert sorted(answers(tmp_path)) == (["no"] * 3 if out else ["no", "yes", "yes"])


@rows(
    *(
        (f"{command}: {what}", (command, second), out)
        for command in ("judge", "score")
        for what, second, out in (("the same", ("m", "f"), 6), ("another fingerprint", ("m", "g"), 9))
    ),
    ("judge: another name in the reply", ("judge", ("n", "f")), 9),
)
def test_verdicts_and_extractions_of_another_model(tmp_path, how, out):
    """Three of six are got at the first start. What is kept of another model is asked again at the second."""
    command, second = how

    def answer(number, body):
        reply = reply_to(command)
        reply.body["model"], reply.body["system_fingerprint"] = ("m", "f") if number <= 3 else second
        return reply

    with endpoint(answer) as server:
        assert start(command, tmp_path, server, "--budget", "3") == 2
        assert start(command, tmp_path, server) == 0
        assert len(server.requests) == out
    assert results(command, tmp_path) == 6


@rows(
    ("its address", {"address": "other"}, 2),
    ("a slash at the end of its address", {"address": "/"}, 1),
    ("its key", {"key": "another"}, 1),
    ("the shape that is wanted of the reply", {"check": len}, 1),
)
def test_replies_that_all_runs_share(tmp_path, monkeypatch, how, out):
    """What is another when the same is asked again, and how many requests were sent then in all: a judge's, say."""
    with endpoint(lambda *_: choice("one")) as server, endpoint(lambda *_: choice("two")) as other:
        Client(Endpoint(model="judge", cache=tmp_path, base_url=server.url)).ask([user("Well?")])
        url = {"other": other.url, "/": f"{server.url}/"}.get(how.get("address"), server.url)
        monkeypatch.setenv("OPENAI_API_KEY", how.get("key", KEY))
        check = (lambda text: None) if "check" in how else None
        asked = Client(Endpoint(model="judge", cache=tmp_path, base_url=url)).ask([user("Well?")], check=check)
        assert len(server.requests) + len(other.requests) == out
        assert asked == ("two" if "other" in how.values() else "one")


def test_a_finished_run_needs_no_server(tmp_path, capsys):
    pope(tmp_path)
    with endpoint(lambda *_: choice("yes"), vllm("/runs/x/before")) as server:
        assert run(server, tmp_path) == 0
    assert run(server, tmp_path) == 0
    assert "3 of 3 answers from replies kept by mine (served from /runs/x/before" in capsys.readouterr().err
