"""A server of one's own: up before it is asked, told when it fails, and gone whatever ends its starter."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from evaluation_fakes import make_benchmark
from PIL import Image

from data_builders.shared.errors import UserError
from evaluation.__main__ import main
from evaluation.asking import ask, evaluate
from evaluation.protocols import ImageQuestions, Question
from evaluation.serving import Vllm, VllmModel, find_vllm, place_of_vllm, served, server
from evaluation.serving import answerer as answerers
from evaluation.serving.pictures import upright
from evaluation.tasks.task import load_tasks

STAND_IN = Path(__file__).with_name("vllm_stand_in.py")


class Stand:
    """A stand-in for vLLM in a folder, and a checkpoint for it to serve."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.starts_file, self.log = folder / "starts.jsonl", folder / "job" / "vllm.log"
        program = folder / "bin" / "vllm"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("FGTRAIN_VLLM", str(program))
        self.checkpoint = folder / "checkpoint"
        self.checkpoint.mkdir()
        (self.checkpoint / "chat_template.jinja").write_text("{{ messages }}")
        self.behave()

    def behave(self, **how: object) -> None:
        how = {"starts": str(self.starts_file), **how}
        self.monkeypatch.setenv("STAND_IN", json.dumps(how))

    @property
    def starts(self) -> list[dict]:
        lines = self.starts_file.read_text().splitlines() if self.starts_file.exists() else []
        return [json.loads(line) for line in lines]

    def model(self, weights: str = "a" * 32, **more: object) -> VllmModel:
        return VllmModel("mine", self.checkpoint, weights, **more)

    def served(self, weights: str = "a" * 32, **more: object):
        silent = more.pop("silent_seconds", 600.0)
        return served(Vllm(place_of_vllm(), "0.33.0"), self.model(weights, **more), self.log, silent_seconds=silent)


@pytest.fixture
def stand(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(server, "GRACE_SECONDS", 0.5)
    return Stand(tmp_path, monkeypatch)


def runs(pid: int) -> bool:
    """Is the process there? One that has ended and that nobody has asked for its status is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(starts: list[dict]) -> bool:
    """Until all processes of all starts are gone: they must be, only not at once."""
    pids = [pid for one in starts for pid in (one["pid"], one["engine"]) if pid]
    until = time.monotonic() + 60
    while any(map(runs, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return bool(pids) and not any(map(runs, pids))


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


def test_answers_are_this_checkpoints_and_this_engines(stand, tmp_path):
    """What another checkpoint, another version or another template has answered is asked again; its own is kept."""
    tasks, out = load_tasks(["fgbmk"], [make_benchmark(tmp_path / "data")]), tmp_path / "out"

    def asked(**change) -> int:
        """How many answers the server gives when all is asked of it."""
        given = []
        with stand.served(change.get("weights", "a" * 32)) as model:
            model.settings |= {"version": change.get("version", "0.33.0")}
            whole = model.endpoint.answer
            model.endpoint.answer = lambda groups: given.extend(groups) or whole(groups)
            rows = ask(model, tasks, out)
        assert all(row["model_hash"] == change.get("weights", "a" * 32) for one in rows.values() for row in one)
        return sum(len(group.questions) for group in given)

    everything = asked()
    assert everything > 4
    assert asked() == 0
    assert asked(weights="b" * 32) == everything
    assert asked(weights="b" * 32, version="0.34.0") == everything
    (stand.checkpoint / "chat_template.jinja").write_text("{{ messages[0] }}")
    assert asked(weights="b" * 32, version="0.34.0") == everything


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


def test_an_empty_answer_is_one_and_a_refused_question_is_none(stand, tmp_path, monkeypatch):
    group = [ImageQuestions(None, (Question("one"), Question("two")))]
    stand.behave(says="nothing")
    with stand.served() as model:
        assert [(one.text, one.finished) for one in model.answer(group)[0]] == [("", True)] * 2
    stand.behave(says="cut")
    with stand.served() as model:
        assert [(one.text, one.finished) for one in model.answer(group)[0]] == [("no", False)] * 2
    monkeypatch.setattr(answerers, "TRIES", 1)
    stand.behave(says="refused")
    tasks = load_tasks(["fgbmk"], [make_benchmark(tmp_path / "data")])
    with stand.served() as model, pytest.raises(UserError, match="finish_reason"):
        evaluate(model, tasks, tmp_path / "out")


def test_pixels_are_sent_as_everybody_here_sees_them(stand, tmp_path):
    """Whatever the server's reader would make of a turn, of transparency, of 16 bits or of a rare format."""
    turned, clear, deep = tmp_path / "turned.jpg", tmp_path / "clear.png", tmp_path / "deep.tiff"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(turned, exif=exif)
    Image.new("RGBA", (5, 6), (0, 0, 0, 0)).save(clear)
    Image.new("I;16", (7, 8)).save(deep)
    plain = tmp_path / "plain.jpg"
    Image.new("L", (30, 20)).save(plain)
    stand.behave(says="picture")
    with stand.served() as model:
        groups = [ImageQuestions(path, (Question("what?", 9),)) for path in (turned, clear, deep, plain)]
        said = [reply[0].text for reply in model.answer(groups)]
    assert said == [f"{form}, 9 tokens" for form in ("PNG 10 x 20", "PNG 5 x 6", "PNG 7 x 8", "JPEG 30 x 20")]
    assert upright(plain) == plain.read_bytes()


def test_where_vllm_is_looked_for(stand, tmp_path, monkeypatch):
    place = tmp_path / "bin" / "vllm"
    assert place_of_vllm({"FGTRAIN_VLLM": str(place), "PATH": "/elsewhere"}) == place
    assert place_of_vllm({"PATH": f"/elsewhere:{place.parent}"}) == place
    monkeypatch.setattr(sys, "executable", str(place.parent / "python"))
    assert place_of_vllm({"PATH": "/elsewhere"}) == place
    monkeypatch.setattr(sys, "executable", "/elsewhere/python")
    assert place_of_vllm({"PATH": "/elsewhere"}) is None
    with pytest.raises(UserError, match=r"pip install 'vllm"):
        find_vllm({"PATH": "/elsewhere"})
    with pytest.raises(UserError, match="no program"):
        find_vllm({"FGTRAIN_VLLM": str(tmp_path)})
    assert find_vllm({"PATH": str(place.parent)}).version == "0.33.0"
    (tmp_path / "lib/python3.12/site-packages/vllm-0.40.1.dist-info").mkdir(parents=True)
    assert find_vllm({"PATH": str(place.parent)}).version == "0.40.1"


def test_the_command_serves_a_folder_by_every_process_on_its_gpu(stand, tmp_path):
    """As torchrun starts it: each process its own server, its own GPU and its share; the first one scores all."""
    (stand.checkpoint / "config.json").write_text("{}")
    (stand.checkpoint / "model.safetensors").write_bytes(b"weights")
    (stand.checkpoint / "fgtrain.json").write_text("{}")
    stand.behave(engine=True)
    data, out = make_benchmark(tmp_path / "data"), tmp_path / "out"
    words = ["run", "--engine", "vllm", "--model", stand.checkpoint, "--tasks", "fgbmk", "--data", data, "--out", out]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "evaluation", *map(str, words)],
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
            | {"CUDA_VISIBLE_DEVICES": "GPU-x, GPU-y"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert gone(stand.starts)
    assert sorted(one["environment"]["CUDA_VISIBLE_DEVICES"] for one in stand.starts) == ["GPU-x", "GPU-y"]
    questions = sum(len(task.items) for task in load_tasks(["fgbmk"], [data]))
    rows = [line for path in (out / "answers" / "start").glob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(rows) == questions
    assert "scores in" in said[0]
    assert (out / "scores.json").is_file()
    assert not (out / "answers" / "start" / "parts").exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "no \\*.safetensors"),
        (("--device", "cuda:1"), "CUDA_VISIBLE_DEVICES"),
        (("--model", "endpoint:x"), "one that runs is asked by --model endpoint:NAME"),
        (("--model", "owner/name"), "serves a folder with a config.json"),
    ],
    ids=lambda one: "".join(one)[:20],
)
def test_what_cannot_be_served_is_refused_before_anything_is_started(stand, tmp_path, capsys, more, told):
    (stand.checkpoint / "config.json").write_text("{}")
    if more:
        (stand.checkpoint / "model.safetensors").write_bytes(b"weights")
    data = make_benchmark(tmp_path / "data")
    base = ["run", "--engine", "vllm", "--model", str(stand.checkpoint), "--tasks", "fgbmk", "--data", str(data)]
    assert main([*base, "--out", str(tmp_path / "out"), *more]) == 2
    assert re.search(told, capsys.readouterr().err)
    assert not stand.starts
