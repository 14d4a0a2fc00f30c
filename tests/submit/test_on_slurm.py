"""The whole of --submit on a real Slurm: `slurm/local_cluster.sh up` first (see .ci/run), then `pytest -m slurm`."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))

from run_fakes import REPOSITORY, command, losses, recipe_values, write_recipe

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        shutil.which("sbatch") is None or "SLURM_CONF" not in os.environ, reason="no Slurm is up: local_cluster.sh up"
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
PASSES = 120  # of 24 rows, 8 a step: 720 steps, so that it still trains when the limit strikes
PATIENCE = 400  # seconds


def recipe(folder: Path, name: str, **changes: object) -> Path:
    """Two processes on as many nodes; only the first stage is long."""
    values = recipe_values(folder, name=name)
    values["stages"]["align"] |= {"mix": {"count": PASSES, "document": PASSES}, "checkpoint_every_steps": 1000}
    values["devices"] |= {"nodes": 2, "per_device_batch_size": 4}
    values["evaluation"] = {"tasks": ["drawn_count"], "at": ["align", "sft"]}
    values["wandb"] = {"enabled": False}
    for key, value in changes.items():
        values["stages"]["align"][key] = value
    return write_recipe(folder, values)


def submit(folder: Path, path: Path, **cluster: object) -> dict[str, int]:
    """Job name -> id, as the command prints them."""
    profile = folder / "cluster.yaml"
    profile.write_text(yaml.safe_dump(CLUSTER | cluster), encoding="utf-8")
    status, output = command(path, "--submit", "--cluster", str(profile))
    assert status == 0, output
    listed = (folder / "runs" / path.stem / "slurm" / "jobs.json").read_text(encoding="utf-8")
    jobs = {job["name"]: job["id"] for job in yaml.safe_load(listed)["jobs"]}
    assert all(str(number) in output for number in jobs.values())
    return jobs


def job(number: int) -> dict[str, str]:
    """What Slurm knows of a job."""
    shown = subprocess.run(["scontrol", "show", "job", "--oneliner", str(number)], capture_output=True, text=True)
    return dict(re.findall(r"(\S+?)=(\S*)", shown.stdout))


def until(holds: Callable[[], bool]) -> None:
    """Slurm's own waiting looks too seldom."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, subprocess.run(["squeue"], capture_output=True, text=True).stdout
        time.sleep(0.5)


def wait_for(numbers: list[int], states: set[str]) -> None:
    until(lambda: all(job(number).get("JobState") in states for number in numbers))


def limit(number: int, minutes: int) -> None:
    subprocess.run(["scontrol", "update", f"JobId={number}", f"TimeLimit={minutes}"], check=True)


def steps_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def log_of(number: int, run: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in run.glob(f"slurm/*{number}*.log"))


def test_a_time_limit_strikes_and_the_losses_are_those_of_a_run_without_one(tmp_path: Path):
    path = recipe(tmp_path, "limited")
    jobs = submit(tmp_path, path)
    run, align = tmp_path / "runs" / "limited", jobs["align"]
    # The limit is drawn in while the stage trains: one that was short from the start would strike slow machines before
    # they train at all, and quick ones never.
    until(lambda: steps_of(run / "align" / "metrics.jsonl") > 20)
    limit(align, 1)
    until(lambda: int(job(align)["Restarts"]) == 1)
    limit(align, 10)
    wait_for(list(jobs.values()), {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"})
    logs = {name: log_of(number, run) for name, number in jobs.items()}
    states = {name: job(number)["JobState"] for name, number in jobs.items()}
    assert set(states.values()) == {"COMPLETED"}, (states, logs)
    assert job(align)["Restarts"] == "1", logs["align"]
    assert re.search(r"stopped by SIGUSR1 at step \d+ of 720, saved in", logs["align"])
    assert "queues again" in logs["align"]
    assert (run / "report.html").is_file()
    # The first checkpoint was asked by a job of its own, once it was there.
    assert job(jobs["evaluate-align"])["StartTime"] >= job(align)["EndTime"]

    at_once = tmp_path / "at_once"
    status, output = command(path, f"runs_root={at_once}", "devices.nodes=1", "devices.count=2", "evaluation.tasks=[]")
    assert status == 0, output
    assert losses(run) == losses(at_once / "limited")


def test_what_waits_for_a_failed_stage_never_runs(tmp_path: Path):
    path = recipe(tmp_path, "failing", train={"projector": 1.0e30}, clip_norm=None, mix={"count": 2})
    jobs = submit(tmp_path, path)
    wait_for([jobs["align"]], {"FAILED", "COMPLETED"})
    state = job(jobs["align"])
    assert state["JobState"] == "FAILED"
    assert state["Restarts"] == "0"
    wait_for([jobs["sft"], jobs["report"]], {"CANCELLED"})
    log = log_of(jobs["align"], tmp_path / "runs" / "failing")
    assert "failed with status 1 and is not queued again" in log
    assert "never to run, because they wait for this job" in log
    assert str(jobs["sft"]) in log
    assert not (REPOSITORY / "runs" / "failing").exists()
