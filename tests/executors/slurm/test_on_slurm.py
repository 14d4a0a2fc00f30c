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
def submitted(place: Path) -> dict[str, Run]:
    """One recipe under two roots, so that nothing is shared but its data, and one whose first stage fails.

    They are submitted at once, over data that nobody has built.
    """
    runs = {name: Run(small_recipe(place, name, name), name) for name in ("limited", "killed")}
    runs["failing"] = Run(
        small_recipe(place, "failing", "failing", train={"projector": 1.0e30}, clip_norm=None), "failing"
    )
    starting = {name: start(run.recipe, *submit_words(place)) for name, run in runs.items()}
    for name, process in starting.items():
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output
        assert all(str(number) in output for number in runs[name].jobs.values())
    return runs


@pytest.fixture(scope="module")
def at_once(submitted: dict[str, Run], place: Path) -> Path:
    """The same on this host, by two processes, without Slurm and without a stop."""
    wait_for([submitted["limited"].jobs["prepare"]], ENDED)
    words = [f"runs_root={place / 'at_once'}", "devices.nodes=1", "devices.count=2"]
    status, output = command(submitted["limited"].recipe, *words)
    assert status == 0, output
    return place / "at_once" / "limited"


def same(run: Path, other: Path) -> None:
    assert losses(run) == losses(other)
    assert sum('"align"' in line for line in losses(run)) == STEPS
    assert weights(run) == weights(other)
    assert scores(run) == scores(other)
    assert (run / "report.html").is_file()


def test_a_run_whose_time_limit_struck_ends_as_one_at_once_without_slurm(
    submitted: dict[str, Run], at_once: Path
) -> None:
    it = submitted["limited"]
    align = it.jobs["train-align"]
    until(lambda: it.steps("align") > 5 or job(align)["JobState"] in ENDED, every=0.05)
    # Slurm looks at time limits every half a minute, when a quick host would have trained all. So the processes stand
    # still until the limit has struck, and on a slow host it cannot strike before they train.
    assert it.signal("train-align", signal.SIGSTOP) >= 2
    try:
        subprocess.run(["scontrol", "update", f"JobId={align}", "TimeLimit=1"], check=True)
        until(lambda: "train align got USR1" in it.log("train-align"))
        subprocess.run(["scontrol", "update", f"JobId={align}", "TimeLimit=10"], check=True)
    finally:
        it.signal("train-align", signal.SIGCONT)
    wait_for(list(it.jobs.values()), ENDED)
    ended = {name: job(number) for name, number in it.jobs.items()}
    assert {one["JobState"] for one in ended.values()} == {"COMPLETED"}, {name: it.log(name) for name in it.jobs}
    log = it.log("train-align")
    assert ended["train-align"]["Restarts"] == "1", log
    assert re.search(rf"stopped by SIGUSR1 at step \d+ of {STEPS}, saved in", log)
    assert "queues again" in log
    assert re.search(rf"going on from step \d+ of {STEPS}", log)
    same(it.folder, at_once)


def test_a_run_with_a_killed_job_ends_as_one_at_once_when_it_is_submitted_again(
    submitted: dict[str, Run], at_once: Path, place: Path
) -> None:
    it = submitted["killed"]
    before = it.jobs
    until(lambda: it.steps("align") > 5 or job(before["train-align"])["JobState"] in ENDED, every=0.05)
    it.processes("train-align")[0].send_signal(signal.SIGKILL)
    wait_for(list(before.values()), ENDED)
    assert job(before["train-align"])["JobState"] == "FAILED"
    assert job(before["train-align"])["Restarts"] == "0"
    assert it.log("train-align").count("is not queued again") == 1
    assert "never to run, because they wait for this job: train sft, ask sft" in it.log("train-align")
    for what in ("train-sft", "evaluate-sft", "report"):
        assert job(before[what])["JobState"] == "CANCELLED"
    status, output = command(it.recipe, *submit_words(place))
    assert status == 0, output
    wait_for(list(it.jobs.values()), ENDED)
    assert {job(number)["JobState"] for what, number in it.jobs.items() if number != before[what]} == {"COMPLETED"}
    same(it.folder, at_once)


def test_one_process_that_fails_ends_the_job_with_one_message(submitted: dict[str, Run]) -> None:
    it = submitted["failing"]
    wait_for([it.jobs["train-align"]], ENDED)
    assert job(it.jobs["train-align"])["JobState"] == "FAILED"
    assert job(it.jobs["train-align"])["Restarts"] == "0"
    log = it.log("train-align")
    assert log.count("loss is") == 1, log
    assert "Traceback" not in log
    waiting = [it.jobs[name] for name in ("train-sft", "evaluate-sft", "report")]
    wait_for(waiting, {"CANCELLED"})
    assert all(job(number)["StartTime"] == job(number)["EndTime"] for number in waiting)  # never started


def test_a_picture_that_one_process_cannot_read_ends_the_others_soon(place: Path, submitted: dict[str, Run]) -> None:
    wait_for([submitted["limited"].jobs["prepare"]], ENDED)
    recipe = small_recipe(place, "unreadable", "unreadable", train={"vision_encoder": 1.0e-3, "projector": 1.0e-3})
    world = place / "unreadable_world"
    shutil.copytree(place / "world", world)
    picture = sorted((world / "general" / "count" / "images").glob("train_*"))[5]
    picture.write_bytes(picture.read_bytes()[:200])
    text = recipe.read_text().replace(str(place / "world"), str(world))
    recipe.write_text(text)
    status, output = command(recipe, "prepare=[]", *submit_words(place))
    assert status == 0, output
    it = Run(recipe, "unreadable")
    align = it.jobs["train-align"]
    wait_for([align], ENDED)
    log = it.log("train-align")
    assert log.count("error: ") - log.count("srun: error: ") - log.count("slurmstepd-") == 1, log
    assert picture.name in log
    assert job(align)["JobState"] == "FAILED"
    assert it.processes("train-align") == []


def test_a_whole_recipe_in_one_job_of_two_nodes_ends_as_one_at_once(
    submitted: dict[str, Run], at_once: Path, place: Path
) -> None:
    """Its command is started once, and starts the processes of every stage on both nodes."""
    shape = ["--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=0", "--cpus-per-task=1", "--mem=4000M", "--time=30"]
    whole = ["slurm/train.sbatch", str(submitted["limited"].recipe), f"runs_root={place / 'whole'}"]
    log = place / "whole.log"
    done = subprocess.run(
        ["sbatch", "--parsable", *shape, f"--output={log}", *whole], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    wait_for([int(done.stdout)], ENDED)
    assert job(int(done.stdout))["JobState"] == "COMPLETED", log.read_text()
    same(place / "whole" / "limited", at_once)


@pytest.mark.parametrize("count", [2, 3])
def test_recipes_submitted_at_once_do_what_they_share_once(place: Path, count: int) -> None:
    folder = place / f"together{count}"
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
