"""The last line of a start is a command that can be typed as it stands."""

import argparse
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from evaluation.commands.report import add_options
from fgtrain.graph.ending import _next
from fgtrain.runs.wandb_outcome import FOLDER, Outcome


def study(folder: Path, seeds: tuple[int, ...], runs: int = 2, name: str | None = "pair") -> SimpleNamespace:
    recipe = SimpleNamespace(run_folder=folder / "one run", enabled_stages={"sft": None}, name="one")
    (folder / "pair").mkdir()
    (folder / "pair" / "report.html").touch()
    recipes = [SimpleNamespace(recipe=recipe)] * runs
    return SimpleNamespace(name=name, seeds=seeds, folder=folder / "pair", recipes=recipes)


@pytest.mark.parametrize(
    ("seeds", "runs", "typed", "says"),
    [
        ((17,), 2, ["pair.yaml", "seed=17", "a.b=c d"], "python -m fgtrain pair.yaml 'a.b=c d' seed=17,18,19"),
        ((17, 18), 4, ["pair.yaml"], "python -m evaluation report {here}/pair --export paper"),
        ((17,), 1, ["one.yaml"], "python -m fgtrain ask '{here}/one run' PHOTO"),
    ],
)
def test_what_to_type_next(tmp_path, seeds, runs, typed, says):
    assert list(_next(study(tmp_path, seeds, runs), typed)) == [("next:", says.format(here=tmp_path))]


def test_the_command_that_exports_is_one(tmp_path):
    ((_, text),) = _next(study(tmp_path, (17, 18)), ["pair.yaml"])
    words = shlex.split(text)
    options = argparse.ArgumentParser()
    add_options(options)
    assert options.parse_args(words[words.index("report") + 1 :]).folders == [tmp_path / "pair"]


def test_a_study_that_is_online_is_told_of_its_view(tmp_path):
    Outcome("online", url="https://w.example/r").leave(tmp_path / "one run" / FOLDER)
    told = dict(_next(study(tmp_path, (17, 18)), ["pair.yaml", "network=true"]))
    assert told["W&B:"] == "python -m fgtrain wandb-view pair.yaml network=true"
