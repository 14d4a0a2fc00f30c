"""What a job's script does with the processes it starts, with a stand-in for Slurm around it."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

SLURM = Path(__file__).resolve().parents[3] / "slurm"
HANGS = 600.0  # seconds: a bound for what hangs, not for what is slow
# On a signal it does as the first process of a run does: the state is saved, a note is left, the status is 130.
COMMAND = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$LOG"
if [[ ${SAVES:-} ]]; then
    trap 'echo saved >> "$LOG"; echo "$SAVES" > "$FGTRAIN_STOPPED"; exit "${STATUS:-130}"' USR1
elif [[ ${FAILS:-} ]]; then
    trap 'exit 1' USR1
fi
echo started >> "$LOG"
for _ in $(seq "${WAITS:-0}"); do sleep 0.05; done
exit "${STATUS:-0}"
"""
SCONTROL = """#!/usr/bin/env bash
case "$1 $2" in
    "show hostnames") echo node1; echo node2 ;;
    "show job") echo "JobId=42 JobState=${STATE:-RUNNING} Restarts=0 PreemptTime=${PREEMPTED:-None}" ;;
    *) echo "scontrol $*" >> "$LOG" ;;
esac
"""


@pytest.fixture
def cluster(tmp_path):
    """Starts train.sbatch with fake python, srun and scontrol; `log()` is what they were told."""
    for name, text in (("python", COMMAND), ("srun", COMMAND), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "slurm").mkdir()
    shutil.copy(SLURM / "launch.sh", tmp_path / "slurm")
    log = tmp_path / "log"
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "LOG": str(log),
        "PYTHON": str(tmp_path / "python"),
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_ID": "42",
        "SLURM_NNODES": "2",
        "SLURM_NTASKS_PER_NODE": "8",
        "SLURM_CPUS_PER_TASK": "12",
    }

    def start(*arguments: str, script: Path = SLURM / "train.sbatch", **more: str) -> subprocess.Popen:
        return subprocess.Popen(
            ["bash", str(script), *arguments],
            env={**environment, **more},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    start.log = lambda: log.read_text() if log.exists() else ""
    return start


def stopped_by(cluster, number: signal.Signals, **more: str | Path) -> tuple[int, str]:
    """Exit status and output of a job that gets the signal while its processes work."""
    before = cluster.log().count("started")
    job = cluster("recipes/general.yaml", WAITS="2000", **more)
    deadline = time.monotonic() + HANGS
    while cluster.log().count("started") == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    job.send_signal(number)
    output, _ = job.communicate(timeout=HANGS)
    return job.returncode, output


@pytest.fixture
def step(tmp_path) -> Path:
    """As the scripts of --submit are: a step of Slurm's for each process of the job."""
    path = tmp_path / "job.sbatch"
    path.write_text('. slurm/launch.sh\nfgtrain_job "train sft" . "its report" fgtrain_step python -m fgtrain.jobs F\n')
    return path


def test_a_whole_recipe_is_started_once_with_the_machine_and_without_srun(cluster):
    assert cluster("recipes/align_fg10.yaml", "data_root=/d", "seed=3").wait(HANGS) == 0
    line = cluster.log().split("\n")[0]
    assert line == "python -m fgtrain recipes/align_fg10.yaml data_root=/d seed=3 devices.nodes=2 devices.count=8"
    assert "requeue" not in cluster.log()


def test_sbatch_reads_every_option_of_the_script(cluster):
    """It stops reading them at the first command."""
    lines = (SLURM / "train.sbatch").read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    options = [number for number, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert len(options) > 8
    assert max(options) < first


def test_a_job_of_the_graph_is_started_by_srun_as_one_that_ends_together(cluster, step):
    assert cluster(script=step).wait(HANGS) == 0
    line = cluster.log().split("\n")[0]
    assert line == "srun --kill-on-bad-exit=1 --wait=0 --cpus-per-task=12 python -m fgtrain.jobs F"


def test_a_step_that_fails_names_what_never_runs(cluster, step):
    job = cluster(script=step, STATUS="2")
    output, _ = job.communicate(timeout=HANGS)
    assert job.returncode == 2
    assert "never to run, because they wait for this job: its report" in output


def test_what_whoever_submitted_it_says_of_ranks_counts_for_nothing(cluster, step, tmp_path):
    (tmp_path / "srun").write_text('#!/usr/bin/env bash\necho "${RANK-none} ${WORLD_SIZE-none}" > "$LOG"\n')
    assert cluster(script=step, RANK="0", WORLD_SIZE="1").wait(HANGS) == 0
    assert cluster.log() == "none none\n"


@pytest.mark.parametrize("status", ["137", "143"])
def test_processes_that_were_ended_because_one_had_failed_do_not_queue_the_job_again(cluster, step, tmp_path, status):
    """The first of them took the signal for a wish to stop and says that all is saved."""
    ended = f'#!/usr/bin/env bash\necho "stopped by SIGTERM" > "$FGTRAIN_STOPPED"\nexit {status}\n'
    (tmp_path / "srun").write_text(ended)
    assert cluster(script=step).wait(HANGS) == int(status)
    assert "requeue" not in cluster.log()


def test_a_step_whose_processes_alone_were_asked_to_stop_queues_again(cluster, step, tmp_path):
    stopped = '#!/usr/bin/env bash\necho "stopped by SIGUSR1" > "$FGTRAIN_STOPPED"\nexit 130\n'
    (tmp_path / "srun").write_text(stopped)
    assert cluster(script=step).wait(HANGS) == 0
    assert cluster.log().count("scontrol requeue") == 1


def test_what_starts_over_is_queued_again_after_a_time_limit_once_and_after_preemption_always(cluster, step):
    said = {"SAVES": "stopped; what was finished is kept", "script": step}
    for _ in range(3):
        assert stopped_by(cluster, signal.SIGTERM, **said)[0] == 0
    status, output = stopped_by(cluster, signal.SIGUSR1, **said)
    assert status == 1
    assert "raise the time limit" in output
    assert cluster.log().count("scontrol requeue") == 3


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
@pytest.mark.parametrize("status", ["130", "137"])  # the first process's, or that of those whom srun ended after it
def test_a_job_whose_state_is_saved_queues_again(cluster, number, status):
    got, output = stopped_by(cluster, number, SAVES="stage sft stopped by SIGUSR1 at step 7 of 9", STATUS=status)
    assert got == 0
    assert cluster.log().split("\n")[-3:] == ["saved", "scontrol requeue 42", ""]
    assert "at step 7 of 9" in output
    assert "queues again" in output


# 143: of those whom srun ended because another had failed
@pytest.mark.parametrize("more", [{"STATUS": "1"}, {"STATUS": "2"}, {"STATUS": "143"}])
def test_a_failed_run_is_not_queued_again(cluster, more):
    job = cluster("recipes/general.yaml", **more)
    output, _ = job.communicate(timeout=HANGS)
    assert job.returncode == int(more["STATUS"])
    assert f"failed with status {more['STATUS']} and is not queued again" in output
    assert "requeue" not in cluster.log()


def test_a_run_that_fails_while_it_is_asked_to_save_is_not_queued_again(cluster):
    status, output = stopped_by(cluster, signal.SIGUSR1, FAILS="1")
    assert status == 1
    assert "ended before its state was saved" in output
    assert "requeue" not in cluster.log()


def test_a_job_that_is_stopped_before_it_has_begun_queues_again_once(cluster):
    assert stopped_by(cluster, signal.SIGUSR1)[0] == 0  # a process that does not listen yet dies of the signal
    assert cluster.log().count("scontrol requeue") == 1
    status, output = stopped_by(cluster, signal.SIGUSR1)
    assert status == 1
    assert cluster.log().count("scontrol requeue") == 1
    assert "raise the time limit" in output


def test_a_job_that_is_preempted_before_it_has_begun_queues_again(cluster):
    """Slurm signals its processes, not its script."""
    assert cluster("recipes/general.yaml", STATUS="143", PREEMPTED="2026-01-01T00:00:00").wait(HANGS) == 0
    assert cluster.log().count("scontrol requeue") == 1


def test_a_cancelled_job_is_not_queued_again(cluster, tmp_path):
    status, output = stopped_by(cluster, signal.SIGTERM, SAVES="stage sft stopped", STATE="CANCELLED")
    assert status == 130
    assert "CANCELLED" in output
    assert "requeue" not in cluster.log()
    assert not list(tmp_path.glob("*.stopped*"))  # of notes that nobody will read


def test_a_job_that_does_not_get_on_is_not_queued_for_ever(cluster):
    for step, requeues in ((7, 1), (8, 2), (8, 2)):
        status, output = stopped_by(cluster, signal.SIGUSR1, SAVES=f"stage sft stopped by SIGUSR1 at step {step} of 9")
        assert cluster.log().count("scontrol requeue") == requeues
    assert status == 1
    assert "raise the time limit" in output


def test_without_a_recipe_it_says_how_to_call_it(cluster):
    assert cluster().wait(HANGS) == 2
    assert cluster("data_root=/d").wait(HANGS) == 2
    assert cluster.log() == ""


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_scripts_are_sound():
    scripts = [SLURM / name for name in ("launch.sh", "local_cluster.sh", "train.sbatch")]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
