"""What is told of W&B in the end: one line that a shell can take for all that is offline, what failed once."""

import shlex
import subprocess
from pathlib import Path

import pytest
from run_fakes import recipe_values, write_recipe

from fgtrain.recipe import Recipe, load_recipe
from fgtrain.runs.wandb_outcome import Outcome, outcome_lines

LEAD = "to send it: wandb sync "


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    values = recipe_values(tmp_path / "a place")
    return load_recipe(write_recipe(tmp_path, values))


def report(recipe: Recipe, name: str, **outcome: str) -> Recipe:
    """The recipe as another run, with an offline folder of a stage and one of its report."""
    run = recipe.model_copy(update={"name": name})
    place = run.run_folder / "wandb"
    for folder in ("offline-run-1-stage", "offline-run-2-report"):
        (place / folder).mkdir(parents=True)
        (place / folder / "run-1.wandb").touch()
    Outcome(**{"mode": "offline", "folder": "offline-run-2-report", **outcome}).leave(place)
    return run


def test_one_line_names_the_folders_of_all_runs_that_are_offline(recipe: Recipe) -> None:
    runs = [report(recipe, name) for name in ("pair-early-s17", "pair-late-s17")]
    (line,) = outcome_lines([*runs, recipe.model_copy(update={"name": "not-begun"})])
    words = line.partition(LEAD)[2]
    said = subprocess.run(["bash", "-c", f"printf '%s\\n' {words}"], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [str(run.run_folder / "wandb") for run in runs]


def test_folders_that_the_reports_holds_too_count_as_synced_and_what_is_synced_is_not_named(recipe: Recipe) -> None:
    run = report(recipe, "alone")
    place = run.run_folder / "wandb"
    assert [path.parent.name for path in place.rglob("*.synced")] == ["offline-run-1-stage"]
    (line,) = outcome_lines([run])
    assert shlex.split(line.partition(LEAD)[2]) == [str(place)]
    (place / "offline-run-2-report" / "run-1.wandb.synced").touch()  # as wandb sync leaves it
    assert outcome_lines([run]) == []


def test_why_it_is_offline_and_what_failed_is_said_once(recipe: Recipe) -> None:
    runs = [report(recipe, name, why="no key is there") for name in ("a", "b")]
    runs += [report(recipe, name, mode="failed", why="disk full") for name in ("c", "d")]
    offline, failed = outcome_lines(runs)
    assert offline.startswith("W&B is offline (no key is there); to send it: wandb sync ")
    assert failed == "W&B: disk full; the figures of c, d are in metrics.jsonl alone"
    assert not list((runs[-1].run_folder / "wandb").rglob("*.synced")), "nothing holds what they hold"


def test_where_a_few_runs_can_be_seen_is_said(recipe: Recipe) -> None:
    runs = [report(recipe, f"r{n}", mode="online", url=f"https://w/r{n}") for n in range(5)]
    assert outcome_lines(runs[:2]) == ["W&B: https://w/r0", "W&B: https://w/r1"]
    assert outcome_lines(runs) == []
