"""Slurm's commands, and what was submitted as it is noted in the jobs' folders."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from data_builders.shared.files import write_json
from data_builders.shared.state_files import read_state
from data_builders.shared.terminal import say
from fgtrain.errors import UserError
from fgtrain.graph import Job

from .chained import SlurmJob
from .script import folder_of, log_path, script_path

RECORD = "slurm.json"
ENDING = "COMPLETING"
ENDING_SECONDS = 120.0  # Slurm gives a cancelled job half a minute or more


def require_slurm() -> None:
    """UserError unless jobs can be submitted from here."""
    for command in ("sbatch", "squeue"):
        if shutil.which(command) is None:
            raise UserError(
                f"there is no {command} on this machine: --submit needs Slurm's commands (load Slurm's module, or go "
                f"to a login node). `--submit --plan` shows the scripts without it"
            )


def sbatch(path: Path, after: Sequence[int]) -> int:
    """Submit a script; returns the job's id. UserError with what sbatch said when it refuses."""
    words = ["sbatch", "--parsable"]
    if after:
        words.append("--dependency=afterok:" + ":".join(map(str, after)))
    # From within a job of Slurm, that job's numbers would count for this one.
    environment = {name: value for name, value in os.environ.items() if not _of_a_job(name)}
    done = subprocess.run([*words, str(path)], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise UserError(f"sbatch refuses {path}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    number = done.stdout.strip().partition(";")[0]  # ID, or ID;CLUSTER
    if not number.isdigit():
        raise UserError(f"sbatch accepted {path}, but printed no job id: {(done.stdout + done.stderr).strip()!r}")
    return int(number)


def _of_a_job(name: str) -> bool:
    return name.startswith("SLURM_") and name not in ("SLURM_CONF", "SLURM_CLUSTERS")


def queue_states(ids: Collection[int]) -> dict[int, str]:
    """Those of the jobs that are in the queue, whoever submitted them -> PENDING, RUNNING, COMPLETING, ...

    UserError when Slurm does not answer.
    """
    if not ids:
        return {}
    # Two at least: asked for a single one that it does not know, squeue fails.
    asked = ",".join(map(str, [*sorted(ids), max(ids)] if len(ids) == 1 else sorted(ids)))
    done = subprocess.run(["squeue", "--noheader", "--format=%A %T", f"--jobs={asked}"], capture_output=True, text=True)
    if done.returncode != 0 and "Invalid job id" not in done.stderr:
        raise UserError(f"squeue does not answer: {done.stderr.strip() or f'exit status {done.returncode}'}")
    rows = (line.split() for line in done.stdout.splitlines())
    return {int(number): state for number, state in (row for row in rows if len(row) == 2) if int(number) in ids}


def settled_states(ids: Collection[int]) -> dict[int, str]:
    """`queue_states` without jobs that are just ending: they are waited for, as one may be queued again, another
    be gone. UserError where that takes long."""
    end, told = time.monotonic() + ENDING_SECONDS, False
    while True:
        states = queue_states(ids)
        ending = ", ".join(str(number) for number, state in states.items() if state == ENDING)
        if not ending:
            return states
        if time.monotonic() > end:
            raise UserError(f"Slurm's jobs {ending} do not end (squeue: {ENDING}). Submit again when they are gone")
        if not told:
            say(f"waiting for Slurm's jobs that are just ending: {ending}", file=sys.stderr)
        told = True
        time.sleep(1)


def slurm_record(folder: Path) -> dict[str, Any] | None:
    """What is noted of a job's latest submission in its folder: id, submitted, name, identity, fingerprint, after,
    script, log. None where there was none."""
    path = folder / RECORD
    if not path.exists():
        return None
    way_on = f"Remove {path}, once squeue has nothing of {folder.parent.parent.name} any more"
    record = read_state(path, dict[str, Any], way_on)
    texts = all(isinstance(record.get(key), str) for key in ("name", "identity"))
    if not isinstance(record.get("id"), int) or not texts:
        raise UserError(f"{path} is no record of a submitted job. {way_on}")
    return record


def note_submitted(one: SlurmJob, number: int, after: Sequence[int], profile: Path) -> None:
    """Leave a record in the folder of each job that the script does."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    for job in one.jobs:
        record = {
            "id": number,
            "submitted": now,
            "name": job.name,
            "kind": job.kind,
            "identity": digest(job),
            "fingerprint": job.fingerprint,
            "after": list(after),
            "script": str(script_path(one.first)),
            "log": str(log_path(one.first)),
            "profile": str(profile),
        }
        write_json(folder_of(job) / RECORD, record)


def digest(job: Job) -> str:
    """Equal for equal work."""
    return hashlib.blake2b(repr(job.identity).encode(), digest_size=16).hexdigest()


def records_under(roots: Iterable[Path]) -> dict[Path, dict[str, Any]]:
    """Folder -> record, of the jobs of all runs."""
    folders = (path.parent.absolute() for root in roots for path in sorted(root.glob(f"*/jobs/*/{RECORD}")))
    return {folder: record for folder in folders if (record := slurm_record(folder)) is not None}
