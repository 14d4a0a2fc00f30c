"""The commands score, run and compare from end to end."""

import json
import re

import pytest
from evaluation_fakes import (
    NAME,
    SPECIES,
    FakeAnswerer,
    FakesInstalled,
    score,
    write_rows,
)

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl
from evaluation import __main__ as command
from evaluation.asking import ask, evaluate
from evaluation.asking.answerers import find
from evaluation.tasks.load import load_tasks


def run(*arguments):
    return command.main([str(one) for one in arguments])


def test_score_command(published, questions, tmp_path, capsys):
    path, out = write_rows(tmp_path / "p.jsonl", published), tmp_path / "score.json"
    assert run("score", NAME, "--predictions", path, "--questions", questions, "--out", out) == 0
    assert "75.00 [" in capsys.readouterr().out
    assert json.loads(out.read_text())["scores"][0]["value"] == 75
    assert run("score", "fgbmk/nothing", "--predictions", path) == 2
    assert run("score", NAME, "--predictions", tmp_path / "none.jsonl") == 2
    assert "no predictions file" in capsys.readouterr().err


def test_score_command_takes_a_judges_file(data, tmp_path, capsys):
    source = data / "FROW" / "cub_with_reference.jsonl"
    scores = evaluate(FakeAnswerer(lambda *_: "lum wug eats 12 berries"), load_tasks(["frow"], [data]), tmp_path)
    path = tmp_path / "judged" / "frow__cub.jsonl"
    out = tmp_path / "score.json"
    assert run("score", "frow/cub", "--predictions", path, "--questions", source, "--out", out) == 0
    again = json.loads(out.read_text())
    assert [one["value"] for one in again["scores"]] == [one.value for one in scores["frow/cub"].scores]
    assert again["primary"] == "deterministic_judge"
    rows = list(read_jsonl(path))
    rows[0].pop("Fact_accuracy_score")
    assert run("score", "frow/cub", "--predictions", write_rows(path, rows), "--out", out) == 0
    assert "1 of 2 rows unjudged and left out" in " ".join(json.loads(out.read_text())["notes"])
    assert run("score", NAME, "--predictions", path) == 2


def test_run_and_compare_commands(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(find, "ANSWERERS", FakesInstalled(lambda: FakeAnswerer(lambda *_: SPECIES[0])))
    model = tmp_path / "model"
    model.mkdir()
    arguments = ["run", "--model", model, "--tasks", "fgbmk,frow", "--data", data, "--out", tmp_path / "out"]
    assert run(*arguments) == 2
    assert "nothing can load this model" in capsys.readouterr().err
    (model / "fake").touch()
    assert run(*arguments) == 0
    assert (tmp_path / "out" / "answers" / "start" / "fgbmk__cub__species__choice.jsonl").exists()
    assert run(*arguments, "--checkpoint", "later") == 0
    capsys.readouterr()
    assert run("compare", tmp_path / "out", tmp_path / "out", "--out", tmp_path / "r.html") == 0
    shown = capsys.readouterr().out
    assert "start -> later" in shown
    assert "+0.0 [" in shown
    # nobody said how much these models had been trained: their marks lie side by side
    marks = re.findall(
        r'<title>out, (start|later): [^<]*</title>.*?class="mark" [^>]*d="M([\d.]+) ',
        (tmp_path / "r.html").read_text(),
        re.DOTALL,
    )
    places = {name: {place for found, place in marks if found == name} for name in ("start", "later")}
    assert all(places.values())
    assert not places["start"] & places["later"]
    assert "passes against" not in (tmp_path / "r.html").read_text()  # and nobody said on what
    assert run(*arguments, "--checkpoint", "trained", "--samples-seen", "500") == 0
    assert run("compare", tmp_path / "out", "--out", tmp_path / "r.html") == 0
    last = read_json(tmp_path / "out" / "scores.json")["checkpoints"][-1]
    assert last["samples_seen"] == 500
    assert last["made_with"]["versions"]["transformers"]
    assert run("compare", tmp_path / "nowhere", "--out", tmp_path / "r.html") == 2


def test_run_wants_tasks_and_a_model(data, tmp_path, capsys):
    assert run("run", "--model", tmp_path, "--tasks", ",", "--data", data, "--out", tmp_path) == 2
    assert run("run", "--model", tmp_path / "no", "--tasks", "frow", "--data", data, "--out", tmp_path) == 2
    with pytest.raises(SystemExit) as stopped:
        run("run", "--tasks", "frow")
    assert stopped.value.code == 2


def test_half_answered_files_are_not_scored_as_wholes(data, tmp_path):
    (task,) = load_tasks([NAME], [data])
    ask(FakeAnswerer(), [task], tmp_path, subset=4)
    with pytest.raises(UserError, match="4 of 8 questions"):
        score(tmp_path / task.file_name, task.source)
