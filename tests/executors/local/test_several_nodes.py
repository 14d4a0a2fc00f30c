"""A job over several nodes within a job of Slurm: one step of srun's stands for all its processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fgtrain.errors import UserError
from fgtrain.executors.local.devices import Host, refuse_missing_nodes
from fgtrain.executors.local.starting import Starter
from fgtrain.executors.local.step import free_port, step_words
from fgtrain.graph import Job
from fgtrain.jobs.spec import LEASH
from fgtrain.recipe.devices_schema import Devices

HANGS = 600.0  # seconds: a bound for what hangs, not for what is slow
# Tells what it was started with; ends when the one who started it is gone, as the processes of a job do.
SRUN = """#!/usr/bin/env bash
echo "$*" > "$LOG"
env | grep -E '^(MASTER_|FGTRAIN_|RANK|SLURM_PROCID)' | sort >> "$LOG"
trap 'echo asked >> "$LOG"; exit 130' USR1
trap 'echo ended >> "$LOG"; exit 143' TERM
echo ready >> "$LOG"
while read -r -t 0.1 _ || (($? > 128)); do :; done
echo left >> "$LOG"
"""


def job(folder: Path, processes: int = 4, nodes: int = 2) -> Job:
    return Job("run/train", "train", "train", ("train",), folder, lambda: False, processes=processes, nodes=nodes)


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starter:
    for name, text in (("srun", SRUN), ("scontrol", "#!/bin/sh\necho node1; echo node2\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("FGTRAIN_STOPPED", "note")
    return Starter()


def log(folder: Path, word: str) -> str:
    """What srun was told, once the word stands there."""
    end = time.monotonic() + HANGS
    while time.monotonic() < end:
        text = (folder / "log").read_text() if (folder / "log").exists() else ""
        if word in text:
            return text
        time.sleep(0.02)
    raise AssertionError(text)


def test_srun_starts_them_all_where_the_first_node_is_their_meeting_place(starter: Starter, tmp_path: Path) -> None:
    [process] = starter.start(job(tmp_path), ())
    text = log(tmp_path, "ready")
    assert text.startswith("--nodes=2 --ntasks=4 --ntasks-per-node=2 ")
    assert f" -m fgtrain.jobs {tmp_path}\n" in text
    assert "MASTER_ADDR=node1\n" in text
    assert "RANK=" not in text
    assert "SLURM_PROCID" not in text
    assert "FGTRAIN_STOPPED" not in text  # whether all is saved is for the one who started it to say
    process.signal(signal.SIGTERM)  # which would end srun at once
    assert "asked" in log(tmp_path, "asked")
    while process.poll() is None:
        time.sleep(0.02)
    assert process.poll() == 130
    starter.close()


def test_to_be_ended_at_once_srun_is_told_by_sigterm(starter: Starter, tmp_path: Path) -> None:
    [process] = starter.start(job(tmp_path), ())
    log(tmp_path, "ready")
    process.signal(signal.SIGKILL)
    assert "ended" in log(tmp_path, "ended")
    starter.close()


def test_no_process_outlives_the_one_that_has_started_it(starter: Starter, tmp_path: Path) -> None:
    [process] = starter.start(job(tmp_path), ())
    assert f"{LEASH}=0" in log(tmp_path, "ready")  # standard input, which srun hands to every process
    starter.close()
    assert "left" in log(tmp_path, "left")
    while process.poll() is None:
        time.sleep(0.02)


def test_cores_a_task_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "12")
    assert "--cpus-per-task=12" in step_words(2, 8)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    assert not any("cpus-per-task" in word for word in step_words(2, 8))


def test_a_job_over_several_nodes_runs_alone(tmp_path: Path) -> None:
    host = Host(cores=8, gpus=())
    taken = host.take(job(tmp_path))
    assert host.take(job(tmp_path, processes=1, nodes=1)) is None
    host.give_back(taken)
    assert host.take(job(tmp_path, processes=1, nodes=1)) is not None
    assert host.take(job(tmp_path)) is None


@pytest.mark.parametrize(
    ("environment", "said"),
    [({}, "outside of Slurm"), ({"SLURM_JOB_ID": "7", "SLURM_NNODES": "1"}, "this job of Slurm has 1")],
)
def test_nodes_that_are_not_there_are_refused_with_what_to_type(environment: dict[str, str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        refuse_missing_nodes(Devices(count=4, nodes=2), environment)
    message = str(caught.value)
    assert said in message
    assert "--submit" in message
    assert "devices.nodes=1 devices.count=8" in message
    refuse_missing_nodes(Devices(count=4, nodes=2), {"SLURM_JOB_ID": "7", "SLURM_NNODES": "2"})


def test_the_port_where_processes_will_meet_is_none_that_connections_are_given(monkeypatch) -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not any(first <= free_port() <= last for _ in range(20))
    with socket.create_server(("", free_port())) as held:
        there = held.getsockname()[1]
        monkeypatch.setattr("fgtrain.executors.local.step.PORTS", range(there, there + 2))
        assert free_port() == there + 1


def test_a_port_in_use_is_named() -> None:
    code = (
        "import socket; from fgtrain.processes import group_environment, join; "
        "held = socket.create_server(('127.0.0.1', 0)); "
        "join(2, None, group_environment(0, 2, 0, 2, '127.0.0.1', held.getsockname()[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "TrainingFailedError: port" in done.stderr
    assert "is in use by somebody else" in done.stderr
