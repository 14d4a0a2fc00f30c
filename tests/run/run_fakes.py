"""A world of a few pictures, and recipes over it that train for a few steps."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from data_builders.build import build
from fgtrain.graph import Job
from fgtrain.graph.begin import begin
from fgtrain.jobs import function_of
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.recipe.study import Arm, ArmRecipe, Study
from fgtrain.runs.evaluations import question_hashes

REPOSITORY = Path(__file__).resolve().parents[2]
SCRATCH = REPOSITORY / "recipes" / "mini" / "scratch"
MARK = "FGTRAIN_TEST_START"  # variable that tells the processes of one start from all others
HANGS = 600.0  # seconds, after which nobody waits any longer: a bound for what hangs, not for what is slow
WORLD = {
    "seed": 3,
    "train_images_per_species": 1,
    "test_images_per_species": 1,
    "general_train": 24,
    "general_test": 6,
    "processes": 1,
}


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "world"
    build("drawn", root=None, out=folder, options=WORLD)
    return folder


@pytest.fixture
def place(tmp_path: Path, tiny_world: Path) -> Path:
    """A folder of the test's own with a copy of the world in it."""
    shutil.copytree(tiny_world, tmp_path / "world")
    return tmp_path


def recipe_values(folder: Path, name: str = "tiny", **changes: object) -> dict:
    """A whole recipe as YAML would hold it: two stages of four and six steps on the tiny world in `folder`."""
    world = str(folder / "world")
    return {
        "name": name,
        "data_root": world,
        "built_root": str(folder / "built"),
        "runs_root": str(folder / "runs"),
        "model": {
            "vision_encoder": str(SCRATCH / "vision_encoder"),
            "projector": "norm_linear",
            "language_model": str(SCRATCH / "language_model"),
            "from_scratch": ["vision_encoder", "language_model"],
            "image_size": 64,
            "image_tokens": 16,
            "max_tokens": 384,
        },
        "prepare": [
            {"what": "drawn", "out": world, "options": WORLD},
            {
                "what": "fgbmk",
                "root": "{data_root}/CUB_200_2011",
                "out": world,
                "options": {"source": "cub", "dataset": "drawn", "kinds": "short_answer", "levels": "species"},
            },
        ],
        "data": {
            "count": {"path": "{data_root}/general/count/train"},
            "document": {"path": "{data_root}/general/document/train"},
            "short": {"what": "short_answer", "root": "{data_root}/CUB_200_2011", "options": {"source": "cub"}},
        },
        "stages": {
            "align": {
                "train": {"projector": 1.0e-3},
                "mix": {"count": 1, "short": 0.25},
                "global_batch_size": 8,
                "checkpoint_every_steps": 2,
            },
            "sft": {
                "train": {"projector": 1.0e-3, "language_model": 1.0e-3},
                "mix": {"count": 1, "document": 0.5, "short": 0.34},
                "global_batch_size": 8,
                "checkpoint_every_steps": 2,
            },
        },
        "devices": {"per_device_batch_size": 8, "accelerator": "cpu"},
        "evaluation": {"tasks": ["fgbmk", "drawn_count"]},
        **changes,
    }


def study_of(*recipes: Recipe) -> Study:
    """The recipes as one start of them."""
    arms = tuple(Arm(recipe.name, ()) for recipe in recipes)
    runs = tuple(ArmRecipe(recipe.name, recipe.seed, recipe) for recipe in recipes)
    return Study(None, None, "", arms, (recipes[0].seed,), (), (), (), runs)


def jobs_left(recipe: Recipe) -> list[Job]:
    """What a start of the recipe would do now."""
    question_hashes.cache_clear()  # once a process, and a start is one
    return begin(study_of(recipe)).left


def run_recipe(recipe: Recipe) -> Path | None:
    """The recipe's jobs one after the other in this process; returns the report's path, None where nothing is asked."""
    for job in jobs_left(recipe):
        function_of(job.kind)(job.recipe, Group(), **job.arguments)
    report = recipe.run_folder / "report.html"
    return report if report.is_file() else None


def one_kind(recipe: Recipe, kind: str) -> list[str]:
    """Only those jobs of the recipe that are of this kind and open; returns their titles."""
    chosen = [job for job in jobs_left(recipe) if job.kind == kind]
    for job in chosen:
        function_of(job.kind)(job.recipe, Group(), **job.arguments)
    return [job.title for job in chosen]


def write_recipe(folder: Path, values: dict) -> Path:
    path = folder / f"{values['name']}.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path


def start(*words: Path | str, code: Path = REPOSITORY, **variables: str) -> subprocess.Popen:
    """`python -m fgtrain RECIPE ...` as a process of its own. `variables`: of its environment. `code`: its packages.

    It, and all that it starts, can be found by `left_over`.
    """
    environment = {**os.environ, **variables}
    environment.pop("WANDB_SERVICE", None)  # of a run in this process: a run of the same id would be written there
    environment[MARK] = uuid4().hex
    process = subprocess.Popen(
        [sys.executable, "-m", "fgtrain", *map(str, words)],
        cwd=code,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in a background job of a shell
    )
    process.mark = environment[MARK]
    return process


def finished(process: subprocess.Popen) -> tuple[int, str]:
    """Exit status and everything printed."""
    output, _ = process.communicate(timeout=HANGS)
    return process.returncode, output


def command(*words: Path | str, **variables: str) -> tuple[int, str]:
    """Exit status and everything printed by a start, of which nothing is left."""
    process = start(*words, **variables)
    status, output = finished(process)
    when_all_have_ended(process)
    return status, output


def left_over(process: subprocess.Popen) -> list[int]:
    """Processes that this start, or one of what it has started, has left behind."""
    mark, found = f"{MARK}={process.mark}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0") and "Z" not in state(folder):
                found.append(int(folder.name))
        except (OSError, IndexError):
            continue  # gone, or somebody else's
    return found


def state(folder: Path) -> str:
    """R, S, D, Z, ... of a process in /proc."""
    return (folder / "stat").read_text().rpartition(")")[2].split()[0]


def when_all_have_ended(process: subprocess.Popen) -> None:
    """Return as soon as nothing of this start is left."""
    deadline = time.monotonic() + HANGS
    while left := left_over(process):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def when_at_step(process: subprocess.Popen, run: Path, stage: str, step: int) -> None:
    """Return as soon as the stage's figures reach the step."""
    path = run / stage / "metrics.jsonl"
    deadline = time.monotonic() + HANGS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        if path.exists() and path.read_text().count("\n") >= step:
            return
        time.sleep(0.005)
    raise AssertionError("the stage did not get that far")


def metrics(run: Path, kind: str = "train") -> list[dict]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def losses(run: Path) -> list[tuple[str, int, float]]:
    return [(row["stage"], row["step"], row["loss"]) for row in metrics(run)]
