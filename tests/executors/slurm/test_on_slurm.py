"""--submit on a real Slurm: `slurm/local_cluster.sh run python -m pytest -m slurm tests/executors/slurm`."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from slurm_fakes import (
    ENDED,
    PATIENCE,
    STEPS,
    Run,
    command,
    job,
    small_recipe,
    start,
    submit_words,
    until,
    wait_for,
    weights,
)

from evaluation.scoring.score_files import read_scores

REPOSITORY = Path(__file__).resolve().parents[3]
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        shutil.which("sbatch") is None or "SLURM_CONF" not in os.environ, reason="no Slurm is up: make test-slurm"
    ),
]


def losses(run: Path) -> list[str]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [found[0] for line in lines if (found := re.search(r'"stage": "\w+", "step": \d+.*"loss": [^,}]+', line))]


def scores(run: Path) -> list:
    return [{key: one[key] for key in one if key != "made_with"} for one in read_scores(run)["checkpoints"]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slurm")


@pytest.fixture(scope="module")
def at_once(place: Path) -> Path:
    """The recipe on this host, by two processes, without Slurm and without a stop. Builds the data for all."""
    recipe = small_recipe(place, "at_once", "at_once")
    status, output = command(recipe, "devices.nodes=1", "devices.count=2")
    assert status == 0, output
    return place / "at_once" / "at_once"


def submitted(recipe: Path, root: str, *words: str) -> Run:
    status, output = command(recipe, *words, *submit_words(recipe.parent))
    assert status == 0, output
    return Run(recipe, root)


def states(run: Run) -> dict[str, str]:
    """How the run's jobs have ended."""
    wait_for(list(run.jobs.values()), ENDED)
    return {what: job(number)["JobState"] for what, number in run.jobs.items()}


def same(run: Path, other: Path) -> None:
    assert losses(run) == losses(other)
    assert sum('"align"' in line for line in losses(run)) == STEPS
    assert weights(run) == weights(other)
    assert scores(run) == scores(other)
    assert (run / "report.html").is_file()


def test_a_run_whose_time_limit_struck_ends_as_one_at_once_without_slurm(place: Path, at_once: Path) -> None:
    it = submitted(small_recipe(place, "limited", "limited"), "limited")
    align = it.jobs["train-align"]
    until(lambda: it.steps("align") > 5 or job(align)["JobState"] in ENDED, every=0.05)
    # Slurm looks at time limits every half a minute, when a quick host would have trained all. So the processes stand
    # still until the limit has struck, and on a slow host it cannot strike before they train.
    assert it.signal("train-align", signal.SIGSTOP) >= 2
    try:
        hours, minutes, seconds = map(int, job(align)["RunTime"].split(":"))
        over = hours * 60 + minutes + (seconds > 0) + 1  # more than the minute that is kept for saving
        subprocess.run(["scontrol", "update", f"JobId={align}", f"TimeLimit={over}"], check=True)
        until(lambda: "train align got USR1" in it.log("train-align"))
        subprocess.run(["scontrol", "update", f"JobId={align}", "TimeLimit=30"], check=True)
    finally:
        it.signal("train-align", signal.SIGCONT)
    assert set(states(it).values()) == {"COMPLETED"}, {name: it.log(name) for name in it.jobs}
    log = it.log("train-align")
    assert job(align)["Restarts"] == "1", log
    assert re.search(rf"stopped by SIGUSR1 at step \d+ of {STEPS}, saved in", log)
    assert "queues again" in log
    assert re.search(rf"going on from step \d+ of {STEPS}", log)
    same(it.folder, at_once)


def test_a_run_with_a_killed_job_ends_as_one_at_once_when_it_is_submitted_again(place: Path, at_once: Path) -> None:
    it = submitted(small_recipe(place, "killed", "killed"), "killed")
    before = it.jobs
    until(lambda: it.steps("align") > 5 or job(before["train-align"])["JobState"] in ENDED, every=0.05)
    it.processes("train-align")[0].send_signal(signal.SIGKILL)
    ended = states(it)
    assert [ended[what] for what in ("train-align", "train-sft", "evaluate-sft", "report")] == [
        "FAILED",
        *["CANCELLED"] * 3,
    ]
    assert job(before["train-align"])["Restarts"] == "0"
    assert "never to run, because they wait for this job: train sft, ask sft" in it.log("train-align")
    again = submitted(it.recipe, "killed")
    assert {state for what, state in states(again).items() if again.jobs[what] != before[what]} == {"COMPLETED"}
    assert it.jobs["prepare"] == before["prepare"]
    same(it.folder, at_once)


def test_one_process_that_fails_alone_ends_the_others_with_one_message(place: Path, at_once: Path) -> None:
    """A picture that only the process with its row opens."""
    recipe = small_recipe(place, "unreadable", "unreadable", train={"vision_encoder": 1.0e-3, "projector": 1.0e-3})
    world = place / "unreadable_world"
    shutil.copytree(place / "world", world)
    picture = sorted((world / "general" / "count" / "images").glob("train_*"))[5]
    picture.write_bytes(picture.read_bytes()[:200])
    recipe.write_text(recipe.read_text().replace(str(place / "world"), str(world)))
    it = submitted(recipe, "unreadable", "prepare=[]")
    ended = states(it)
    log = it.log("train-align")
    assert len(re.findall(r"^error: ", log, re.MULTILINE)) == 1, log
    assert "Traceback" not in log
    assert picture.name in log
    assert ended["train-align"] == "FAILED"
    assert job(it.jobs["train-align"])["Restarts"] == "0"
    assert it.processes("train-align") == []
    for what in ("train-sft", "evaluate-sft", "report"):
        assert ended[what] == "CANCELLED"
        never = job(it.jobs[what])
        assert never["StartTime"] in ("Unknown", never["EndTime"])


def test_a_whole_recipe_in_one_job_of_two_nodes_ends_as_one_at_once(place: Path, at_once: Path) -> None:
    """Its command is started once, and starts the processes of every stage on both nodes."""
    shape = ["--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=0", "--cpus-per-task=1", "--mem=4000M", "--time=30"]
    whole, log = ["slurm/train.sbatch", str(small_recipe(place, "whole", "whole"))], place / "whole.log"
    done = subprocess.run(
        ["sbatch", "--parsable", *shape, f"--output={log}", *whole], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    wait_for([int(done.stdout)], ENDED)
    assert job(int(done.stdout))["JobState"] == "COMPLETED", log.read_text()
    same(place / "whole" / "whole", at_once)


def test_recipes_submitted_at_once_do_what_they_share_once(place: Path) -> None:
    """One more than there are nodes."""
    folder, count = place / "together", 3
    folder.mkdir()
    runs = []
    for number in range(count):
        runs.append(Run(small_recipe(folder, f"run{number}", "runs", mix={"count": 1}), "runs"))
    words = [[f"stages.sft.mix.count={number + 1}"] for number in range(count)]
    starting = [start(run.recipe, *more, *submit_words(folder)) for run, more in zip(runs, words, strict=True)]
    for process in starting:
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output
    numbers = [number for run in runs for number in run.jobs.values()]
    assert len(numbers) == len(set(numbers))
    aligned = [run for run in runs if "train-align" in run.jobs]
    assert len(aligned) == 1
    assert sum(any(name.startswith("build-") for name in run.jobs) for run in runs) == 1
    wait_for(numbers, ENDED)
    assert {job(number)["JobState"] for number in numbers} == {"COMPLETED"}
    assert all((run.folder / "report.html").is_file() for run in runs)
    assert len({weights(run.folder)["align"] for run in runs}) == 1
