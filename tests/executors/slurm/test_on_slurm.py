"""The whole of --submit on a real Slurm: `slurm/local_cluster.sh run python -m pytest -m slurm tests/submit`."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))

from run_fakes import command, losses, recipe_values, start, write_recipe

from evaluation.scoring.score_files import read_scores

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        shutil.which("sbatch") is None or "SLURM_CONF" not in os.environ, reason="no Slurm is up: make test-slurm"
    ),
]
CLUSTER = {
    "gpus_per_node": 0,
    "cpus_per_task": 1,
    "memory": "1000M",
    "time": "00:10:00",
    "save_seconds": 60,
    "prepare": {"time": "00:10:00", "save_seconds": 60},
    "evaluate": {"time": "00:10:00", "save_seconds": 60},
    "report": {"time": "00:10:00", "save_seconds": 60},
}
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"}
STEPS = 60  # of the first stage
PATIENCE = 300  # seconds


def recipe(folder: Path, name: str, **align: object) -> Path:
    """Two processes on as many nodes; ten passes over 48 rows in the first stage, 8 rows a step."""
    values = recipe_values(folder, name=name)
    stage = {"mix": {"count": 10, "document": 10}, "checkpoint_every_steps": 1000}
    values["stages"]["align"] |= stage | align
    values["devices"] |= {"nodes": 2, "per_device_batch_size": 4}
    values["evaluation"] = {"tasks": ["drawn_count"], "at": ["align", "sft"]}
    values["wandb"] = {"enabled": False}
    return write_recipe(folder, values)


def job(number: int) -> dict[str, str]:
    """What Slurm knows of a job."""
    shown = subprocess.run(["scontrol", "show", "job", "--oneliner", str(number)], capture_output=True, text=True)
    return dict(re.findall(r"(\S+?)=(\S*)", shown.stdout))


def until(holds: Callable[[], bool], every: float = 0.5) -> None:
    """Slurm's own waiting looks too seldom."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, subprocess.run(["squeue"], capture_output=True, text=True).stdout
        time.sleep(every)


def wait_for(numbers: list[int], states: set[str]) -> None:
    until(lambda: all(job(number).get("JobState") in states for number in numbers))


class Submitted:
    """One recipe whose jobs are in the queue."""

    def __init__(self, path: Path, output: str) -> None:
        self.recipe, self.run = path, path.parent / "runs" / path.stem
        listed = yaml.safe_load((self.run / "slurm" / "jobs.json").read_text(encoding="utf-8"))["jobs"]
        self.jobs = {job["name"]: job["id"] for job in listed if path.stem in job["runs"]}
        assert all(str(number) in output for number in self.jobs.values())

    def log(self, name: str) -> str:
        return "".join(path.read_text(encoding="utf-8") for path in self.run.glob(f"slurm/{name}-*.log"))

    def steps(self, stage: str) -> int:
        path = self.run / stage / "metrics.jsonl"
        return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0

    def signal(self, name: str, number: signal.Signals) -> int:
        """Straight to the processes that srun started for a job; how many there were."""
        found = 0
        for process in psutil.process_iter():
            try:
                if process.cmdline()[1:3] == ["-m", "fgtrain"] and process.environ().get("SLURM_JOB_ID") == str(
                    self.jobs[name]
                ):
                    process.send_signal(number)
                    found += 1
            except psutil.NoSuchProcess:
                continue
        return found


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Submitted]:
    """Two recipes over the same data, submitted together: one whose time runs out, one whose first stage fails."""
    folder = tmp_path_factory.mktemp("slurm")
    paths = [
        recipe(folder, "limited"),
        recipe(folder, "failing", train={"projector": 1.0e30}, clip_norm=None),
    ]
    profile = folder / "cluster.yaml"
    profile.write_text(yaml.safe_dump(CLUSTER), encoding="utf-8")
    status, output = command(paths[0], str(paths[1]), "--submit", "--cluster", str(profile))
    assert status == 0, output
    return {path.stem: Submitted(path, output) for path in paths}


def test_a_run_whose_time_limit_struck_ends_with_the_losses_and_scores_of_a_run_at_once(
    submitted: dict[str, Submitted], tmp_path: Path
):
    it = submitted["limited"]
    align = it.jobs["align"]
    until(lambda: it.steps("align") > 5, every=0.05)
    # Slurm looks at time limits every half a minute, when a quick host would have trained all. So the processes stand
    # still until the limit has struck, and on a slow host it cannot strike before they train.
    assert it.signal("align", signal.SIGSTOP) >= 2
    try:
        subprocess.run(["scontrol", "update", f"JobId={align}", "TimeLimit=1"], check=True)
        at_once = start(it.recipe, f"runs_root={tmp_path}", "devices.nodes=1", "devices.count=2")
        until(lambda: "align of limited got USR1" in it.log("align"))
        subprocess.run(["scontrol", "update", f"JobId={align}", "TimeLimit=10"], check=True)
    finally:
        it.signal("align", signal.SIGCONT)
    output, _ = at_once.communicate(timeout=PATIENCE)
    assert at_once.returncode == 0, output

    parts = {name: number for name, number in it.jobs.items() if name != "compare"}
    wait_for(list(parts.values()), ENDED)
    ended = {name: job(number) for name, number in parts.items()}
    assert {one["JobState"] for one in ended.values()} == {"COMPLETED"}, {name: it.log(name) for name in parts}
    assert ended["align"]["Restarts"] == "1", it.log("align")
    assert re.search(rf"stopped by SIGUSR1 at step \d+ of {STEPS}, saved in", it.log("align"))
    assert "queues again" in it.log("align")
    assert re.search(rf"going on from step \d+ of {STEPS}", it.log("align"))
    assert (it.run / "report.html").is_file()
    # The first checkpoint was asked by a job of its own, once it was there and while the next stage trained.
    assert ended["evaluate-align"]["StartTime"] >= ended["align"]["EndTime"]
    assert ended["evaluate-align"]["StartTime"] < ended["sft"]["EndTime"]

    other = tmp_path / "limited"
    assert losses(it.run) == losses(other)
    assert [stage for stage, _, _ in losses(it.run)].count("align") == STEPS
    for folder in (it.run, other):
        assert [one["name"] for one in read_scores(folder)["checkpoints"]] == ["align", "sft"]
    assert read_scores(it.run)["checkpoints"] == read_scores(other)["checkpoints"]


def test_what_waits_for_a_failed_stage_never_runs(submitted: dict[str, Submitted]):
    it = submitted["failing"]
    wait_for([it.jobs["align"]], ENDED)
    assert job(it.jobs["align"])["JobState"] == "FAILED"
    assert job(it.jobs["align"])["Restarts"] == "0"
    waiting = [it.jobs[name] for name in ("sft", "evaluate-align", "evaluate-sft", "report", "compare")]
    wait_for(waiting, {"CANCELLED"})
    assert all(job(number)["StartTime"] == job(number)["EndTime"] for number in waiting)  # never started
    log = it.log("align")
    # 143 of a process that srun ended because another had failed
    assert re.search("failed with status (1|143) and is not queued again", log)
    assert "never to run, because they wait for this job: sft of failing" in log
