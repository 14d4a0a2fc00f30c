"""The Slurm script, run with a stand-in for Slurm: what it starts, and what it does near the time limit."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "slurm" / "train.sbatch"
SRUN = """#!/usr/bin/env bash
echo "$@" >> "$LOG"
[[ "${SAVES:-}" ]] && trap 'echo saved >> "$LOG"; exit 1' USR1
echo started >> "$LOG"
for _ in $(seq "${WAITS:-0}"); do sleep 0.05; done
exit "${STATUS:-0}"
"""
SCONTROL = """#!/usr/bin/env bash
[[ $1 == show ]] && { echo node1; echo node2; exit; }
echo "scontrol $*" >> "$LOG"
"""


@pytest.fixture
def cluster(tmp_path):
    """Starts the script with fake srun and scontrol; `log()` is what they were told."""
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    log = tmp_path / "log"
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "LOG": str(log),
        "PYTHON": "python",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_ID": "42",
        "SLURM_NNODES": "2",
        "SLURM_NTASKS_PER_NODE": "8",
    }

    def start(*arguments: str, **more: str) -> subprocess.Popen:
        return subprocess.Popen(["bash", str(SCRIPT), *arguments], env={**environment, **more}, text=True)

    start.log = lambda: log.read_text() if log.exists() else ""
    return start


def test_it_starts_one_process_per_gpu_with_the_recipe_and_the_machine(cluster):
    assert cluster("recipes/align_fg10.yaml", "data_root=/d", "seed=3").wait(10) == 0
    line = cluster.log().split("\n")[0]
    assert line.endswith(
        "python -m fgtrain recipes/align_fg10.yaml data_root=/d seed=3 devices.nodes=2 devices.count=8"
    )
    assert "requeue" not in cluster.log()


def test_near_the_time_limit_it_lets_the_run_save_and_queues_again(cluster):
    job = cluster("recipes/general.yaml", WAITS="200", SAVES="1")
    deadline = time.monotonic() + 10
    while "started" not in cluster.log():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(10) == 0
    assert cluster.log().split("\n")[-3:] == ["saved", "scontrol requeue 42", ""]


def test_a_failed_run_is_not_queued_again(cluster):
    assert cluster("recipes/general.yaml", STATUS="2").wait(10) == 2
    assert "requeue" not in cluster.log()


def test_without_a_recipe_it_says_how_to_call_it(cluster):
    assert cluster().wait(10) == 2
    assert cluster("data_root=/d").wait(10) == 2
    assert cluster.log() == ""
