"""A small recipe on the real Slurm that is up, and what can be asked of its jobs."""

import hashlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "run"))

from run_fakes import command, recipe_values, start, write_recipe

from fgtrain.executors.slurm import slurm_record

SHORT = {"time": "00:30:00", "save_seconds": 60}
CLUSTER = {
    "gpus_per_node": 0,
    "cpus_per_task": 1,
    "memory": "1000M",
    **SHORT,
    **dict.fromkeys(("prepare", "evaluate", "report"), SHORT),
}
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"}
STEPS = 60  # of the first stage
PATIENCE = 600  # seconds; the machine may be busy


def small_recipe(folder: Path, name: str, root: str, **align: object) -> Path:
    """Two processes on as many nodes; ten passes over 48 rows in the first stage, 8 rows a step."""
    values = recipe_values(folder, name=name)
    values["runs_root"] = str(folder / root)
    values["prepare"] = values["prepare"][:1]
    stage = {"mix": {"count": 10, "document": 10}, "checkpoint_every_steps": 1000}
    values["stages"]["align"] |= stage | align
    values["stages"]["sft"]["mix"] = {"count": 1, "document": 1}
    values["devices"] |= {"nodes": 2, "per_device_batch_size": 4}
    values["evaluation"] = {"tasks": ["drawn_count"], "at": ["sft"]}
    return write_recipe(folder, values)


def submit_words(folder: Path) -> list[str]:
    profile = folder / "cluster.yaml"
    profile.write_text(yaml.safe_dump(CLUSTER), encoding="utf-8")
    return ["--submit", "--cluster", str(profile)]


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


class Run:
    """A run whose jobs were submitted."""

    def __init__(self, recipe: Path, root: str) -> None:
        self.recipe, self.folder = recipe, recipe.parent / root / recipe.stem

    @property
    def jobs(self) -> dict[str, int]:
        """Of the latest submission: <what> -> Slurm's id."""
        records = {path.name: slurm_record(path) for path in (self.folder / "jobs").iterdir()}
        return {name: record["id"] for name, record in records.items() if record is not None}

    def log(self, what: str) -> str:
        path = self.folder / "jobs" / what / "log.txt"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def steps(self, stage: str) -> int:
        path = self.folder / stage / "metrics.jsonl"
        return path.read_text(encoding="utf-8").count('"loss"') if path.exists() else 0

    def processes(self, what: str) -> list[psutil.Process]:
        """Those that srun has started for a job."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.cmdline()[1:3] == ["-m", "fgtrain.jobs"]
                if ours and process.environ().get("SLURM_JOB_ID") == str(self.jobs[what]):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def signal(self, what: str, number: signal.Signals) -> int:
        """Straight to the processes of a job; how many there were."""
        found = self.processes(what)
        for process in found:
            process.send_signal(number)
        return len(found)


def weights(run: Path) -> dict[str, str]:
    """Stage -> hash of its checkpoint."""
    found = {stage: run / stage / "checkpoint" / "model.safetensors" for stage in ("align", "sft")}
    return {stage: hashlib.sha256(path.read_bytes()).hexdigest() for stage, path in found.items()}


__all__ = [
    "ENDED",
    "PATIENCE",
    "STEPS",
    "Run",
    "command",
    "job",
    "small_recipe",
    "start",
    "submit_words",
    "until",
    "wait_for",
    "weights",
]
