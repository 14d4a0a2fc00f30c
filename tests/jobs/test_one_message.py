"""A job of several processes says once what is wrong, and asks to be queued again only where nothing is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fgtrain.jobs import __main__ as program
from fgtrain.jobs.spec import STOPPED_NOTE, Fault, JobSpec, read_faults, write_fault, write_spec
from fgtrain.processes import Group
from fgtrain.training.stop_signals import Stopped


def as_task(rank: int, size: int = 2) -> dict[str, str]:
    """What srun tells a process."""
    return {"SLURM_PROCID": str(rank), "SLURM_STEP_NUM_TASKS": str(size), "SLURM_LOCALID": str(rank)}


def stopped_as(rank: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job in the folder will be stopped; this process is one of its two."""

    def stopped(*arguments: object) -> None:
        raise Stopped("SIGTERM")

    for name, value in as_task(rank).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(STOPPED_NOTE, str(folder / "note"))
    monkeypatch.setattr(program, "join", lambda *arguments: Group())
    monkeypatch.setattr(program, "function_of", lambda kind: stopped)
    write_spec(folder, JobSpec("run/build", "build", "build", processes=2, recipe=False), None)


def test_what_all_processes_of_srun_find_wrong_is_said_by_one(tmp_path: Path) -> None:
    write_spec(tmp_path, JobSpec("run/build", "build", "build", processes=3, recipe=False), None)
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "fgtrain.jobs", str(tmp_path)],
            env=os.environ | as_task(rank),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [2, 2], outputs
    assert sum(output.count("error: this job is for 3 processes, but srun has started 2") for output in outputs) == 1
    assert [fault.rank for fault in sorted(read_faults(tmp_path), key=lambda fault: fault.rank)] == [0, 1]


def test_a_job_alone_says_at_every_start_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert program.main([str(tmp_path)]) == 2
        assert "error: " in capsys.readouterr().err


def test_of_several_jobs_in_one_script_none_begins_when_one_before_has_failed(tmp_path: Path) -> None:
    assert program.main([str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_a_process_that_is_stopped_does_not_leave_before_the_first_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """srun would end that one in the middle of its saying where it was."""
    asleep: list[float] = []

    def sleep(seconds: float) -> None:
        asleep.append(seconds)
        if len(asleep) == 3:
            write_fault(tmp_path, Fault(0, 130, "stage sft stopped"))

    stopped_as(1, tmp_path, monkeypatch)
    monkeypatch.setattr(program.time, "sleep", sleep)
    assert program.main([str(tmp_path)]) == 130
    assert len(asleep) == 3


@pytest.mark.parametrize("failed", [False, True])
def test_a_process_that_is_ended_because_another_has_failed_leaves_no_wish_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: bool
) -> None:
    stopped_as(0, tmp_path, monkeypatch)
    if failed:
        write_fault(tmp_path, Fault(1, 2, "cannot be read"))
    assert program.main([str(tmp_path)]) == 130
    assert (tmp_path / "note").exists() is not failed
