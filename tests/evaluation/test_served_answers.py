"""Answers of a server of one's own: whose they are, what is sent for them, and what is none."""

import os
import re
import subprocess
import sys

import pytest
from evaluation_fakes import make_benchmark
from PIL import Image
from serving_stand import gone, stand

from data_builders.shared.errors import UserError
from evaluation.__main__ import main
from evaluation.asking import ask, evaluate
from evaluation.asking.answerers.sent import upright
from evaluation.protocols import ImageQuestions, Question
from evaluation.serving import answerer as answerers
from evaluation.serving import find_vllm, place_of_vllm
from evaluation.tasks.load import load_tasks

__all__ = ["stand"]


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
