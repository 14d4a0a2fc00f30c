"""A checkpoint is asked about photos: from Python, on the command line, into a table."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fgtrain
from fgtrain.__main__ import main
from fgtrain.ask.names import Names
from fgtrain.errors import UserError
from fgtrain.runs.names import read_names


@pytest.fixture(scope="module")
def model(world: Path):
    return fgtrain.load(world / "runs" / "tiny")


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_package_is_imported_without_torch():
    told = "import sys, fgtrain; print(callable(fgtrain.load), 'torch' in sys.modules, 'pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False", "False"]


def test_names_are_the_runs_own(model, world: Path):
    """All three ways to name the checkpoint, beside its data or where that is gone, ask the same."""
    photo = world / "own" / "grey tib" / "0.png"
    reply = model.ask(photo)
    [kept] = read_names(world / "runs" / "tiny").lists
    assert (kept.source, kept.levels, set(kept.categories)) == (
        "folder",
        ("genus", "species"),
        {("wug", "red wug"), ("wug", "blue wug"), ("tib", "grey tib")},
    )
    assert reply.question == kept.question
    assert "species" in kept.question
    assert {one[0] for one in reply.names.likeliest} <= set(Names(kept).all)
    assert sum(one[2] for one in reply.names.likeliest) == pytest.approx(1)
    assert str(reply).startswith("uncertain" if reply.names.uncertain else reply.names.name)
    for place in (world / "runs" / "tiny" / "sft", world / "runs" / "tiny" / "sft" / "checkpoint"):
        assert fgtrain.load(place).ask(photo).names == reply.names
    asked = model.ask(photo, "What colour is it?")
    assert (asked.names, asked.question) == (None, "What colour is it?")


def test_a_table_holds_what_python_says(model, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    """Many photos, which are batched; two checkpoints; and what is shown instead of a table."""
    run, own = str(world / "runs" / "tiny"), str(world / "own")
    assert main(["ask", run, own, "--csv", str(tmp_path / "all.csv"), "--beside", f"{run}/sft"]) == 0
    rows = table(tmp_path / "all.csv")
    assert len(rows) == 12
    assert [row["photo"] for row in rows[:6]] == sorted(row["photo"] for row in rows[:6])
    for row, beside in zip(rows[:6], rows[6:], strict=True):
        assert (row["checkpoint"], beside["checkpoint"]) == (run, f"{run}/sft")
        assert {**row, "checkpoint": ""} == {**beside, "checkpoint": ""}
        reply = model.ask(row["photo"])
        assert (row["said"], row["name"], row["uncertain"]) == (reply.said, reply.names.name, reply.names.uncertain)
        name, level, share = reply.names.likeliest[0]
        assert (row["name_1"], row["level_1"]) == (name, level)
        assert float(row["probability_1"]) == pytest.approx(share, abs=1e-3)
    photo = rows[0]["photo"]
    assert main(["ask", run, photo, "What is it?", "--csv", str(tmp_path / "one.csv")]) == 0
    assert list(table(tmp_path / "one.csv")[0]) == ["photo", "checkpoint", "question", "said", "finished"]
    capsys.readouterr()
    assert main(["ask", run, photo]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{photo}\n  {str(model.ask(photo)).splitlines()[0]}\n    likeliest: ")


def test_mistakes_are_told_in_a_line_before_anything_is_loaded(world: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("fgtrain.ask.model.load_checkpoint", lambda *_, **__: pytest.fail("loaded"))
    run, photo = world / "runs" / "tiny", str(world / "own" / "grey tib" / "0.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("none")
    (tmp_path / "cut.png").write_bytes(Path(photo).read_bytes()[:20])
    (tmp_path / "alone").mkdir()
    shutil.copy(run / "recipe.resolved.yaml", tmp_path / "alone")
    bare = tmp_path / "bare"
    shutil.copytree(run / "sft" / "checkpoint", bare)
    lost = tmp_path / "lost"  # it has kept no names, and its data has gone
    shutil.copytree(run, lost)
    (lost / "names.json").unlink()
    said = (lost / "recipe.resolved.yaml").read_text()
    (lost / "recipe.resolved.yaml").write_text(said.replace(str(world / "own"), str(world / "gone")))
    for words, told in (
        (["nowhere", photo], "no checkpoint nowhere: there is no such folder"),
        (["nobody/nothing", photo, "What is it?"], "nobody/nothing: not on this machine"),
        ([tmp_path / "empty", photo], "is no checkpoint"),
        ([photo, photo], "is a file"),
        ([tmp_path / "alone", photo], "stage sft of .* has no checkpoint. Train it first"),
        ([bare, photo], "has no names of its own. Ask"),
        ([lost, photo], r"has no names of its own \(folder: no folder .*\). Ask"),
        ([run], "no photo to ask about"),
        ([run, "What is it?"], "no photo to ask"),
        ([run, tmp_path / "none.png"], "no image .*none.png"),
        ([run, "Species"], "no photo Species; a question has several words"),
        ([run, tmp_path / "cut.png"], "cut.png cannot be read"),
        ([run, tmp_path / "empty"], r"holds no photos .*\.txt 1"),
        ([run, photo, "--csv", tmp_path], "is a folder. Name a file in it"),
        ([run, photo, "--csv", tmp_path / "no" / "a.csv"], "there is no folder"),
        ([run, photo, "--names", "birds"], "no such file"),
        ([run, photo, "--beside", "nowhere"], "no checkpoint nowhere"),
        ([run, photo, "--port", "80"], "--port is of --serve"),
        ([run, photo, "--serve"], "Leave out photos"),
        ([run, "--serve", "--port", "99999"], "--port is 99999"),
    ):
        with pytest.raises(UserError, match=told):
            main(["ask", *map(str, words)])


def test_a_photo_that_breaks_off_leaves_no_table(world: Path, tmp_path: Path):
    """Its head is sound: only asking finds out."""
    folder = tmp_path / "photos"
    shutil.copytree(world / "own" / "red wug", folder)
    whole = (folder / "0.png").read_bytes()
    (folder / "z.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"z\.png"):
        main(["ask", str(world / "runs" / "tiny"), str(folder), "--csv", str(tmp_path / "all.csv")])
    assert not (tmp_path / "all.csv").exists()
