"""Slurm's commands, and what was submitted as it is kept in a run's folder."""

import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from data_builders.shared.files import read_json, write_json
from fgtrain.errors import UserError
from fgtrain.recipe import Recipe

from .jobs import Job
from .script import jobs_folder, log_path, script_path


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
    done = subprocess.run([*words, str(path)], capture_output=True, text=True)
    if done.returncode != 0:
        raise UserError(f"sbatch refuses {path}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    number = done.stdout.strip().partition(";")[0]  # ID, or ID;CLUSTER
    if not number.isdigit():
        raise UserError(f"sbatch accepted {path}, but printed no job id: {(done.stdout + done.stderr).strip()!r}")
    return int(number)


def in_queue() -> set[int]:
    """Ids of this user's jobs that wait or run. UserError when Slurm does not answer."""
    done = subprocess.run(["squeue", "--me", "--noheader", "--format=%i"], capture_output=True, text=True)
    if done.returncode != 0:
        raise UserError(f"squeue does not answer: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return {int(line) for line in done.stdout.split() if line.isdigit()}


def record_path(recipe: Recipe) -> Path:
    return jobs_folder(recipe) / "jobs.json"


def recorded(path: Path) -> list[dict]:
    """The jobs of a run's latest submission as they were recorded, in order; [] when there was none."""
    if not path.exists():
        return []
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("jobs"), list):
        raise UserError(f"{path} is no record of submitted jobs; move it away")
    return record["jobs"]


def write_records(recipes: Sequence[Recipe], jobs: Sequence[Job], ids: dict[str, int], profile: Path) -> None:
    """Into each run's folder: the jobs that it hangs on, as far as they are submitted (`ids`)."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    for recipe in recipes:
        rows = [_row(job, ids) for job in jobs if job.key in ids and _serves(job, recipe, jobs)]
        write_json(record_path(recipe), {"submitted": now, "profile": str(profile), "jobs": rows})


def _row(job: Job, ids: dict[str, int]) -> dict:
    number = ids[job.key]
    return {
        "id": number,
        "name": job.name,
        "kind": job.kind,
        "runs": [recipe.name for recipe in job.recipes],
        "command": list(job.option),
        "after": waits_for(job, ids),
        "fingerprint": job.fingerprint,
        "script": str(script_path(job)),
        "log": str(log_path(job, number)),
    }


def waits_for(job: Job, ids: dict[str, int]) -> list[int]:
    """Ids of the jobs that must have ended well before it."""
    return [*job.after_ids, *(ids[key] for key in job.after)]


def _serves(job: Job, recipe: Recipe, jobs: Sequence[Job]) -> bool:
    """Is the job for this recipe, or does one of the recipe's jobs wait for it?"""
    return recipe in job.recipes or any(job.key in other.after and _serves(other, recipe, jobs) for other in jobs)


def stages_in_queue(runs_root: Path, queue: set[int]) -> dict[str, int]:
    """Fingerprint -> id of the job that trains this stage, of all runs under `runs_root`."""
    found = {}
    for path in sorted(runs_root.glob("*/slurm/jobs.json")):
        for row in recorded(path):
            if row["kind"] == "train" and row["id"] in queue:
                found[row["fingerprint"]] = row["id"]
    return found
