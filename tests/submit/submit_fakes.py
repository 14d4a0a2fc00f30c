"""A cluster that only counts: sbatch, squeue and a recipe with a profile, for what is submitted and what is said."""

import io
import json
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import yaml

from fgtrain.__main__ import main
from fgtrain.errors import run_command

REPOSITORY = Path(__file__).resolve().parents[2]
SCRATCH = REPOSITORY / "recipes" / "mini" / "scratch"
# Ids from 101 on; $REFUSE: the number of the call that is refused; every accepted job waits in the queue.
SBATCH = """#!/usr/bin/env bash
number=$(($(wc -l < "$LOG" 2>/dev/null || echo 0) + 1))
if [[ ${REFUSE:-0} -eq $number ]]; then
    echo "sbatch: error: Batch job submission failed: Invalid account" >&2
    exit 1
fi
echo "$*" >> "$LOG"
echo $((100 + number)) >> "$QUEUE"
echo $((100 + number))
"""
SQUEUE = """#!/usr/bin/env bash
cat "$QUEUE" 2>/dev/null || true
"""
PROFILE = {"gpus_per_node": 4, "time": "10:00:00", "partition": "gpu", "cpus_per_task": 6}


def recipe_values(folder: Path, name: str = "one", **changes: object) -> dict:
    """Two stages on a data set that lies at a path; nothing of it is read by submitting."""
    data = folder / "data" / "names"
    data.mkdir(parents=True, exist_ok=True)
    return {
        "name": name,
        "runs_root": str(folder / "runs"),
        "built_root": str(folder / "built"),
        "model": {
            "vision_encoder": str(SCRATCH / "vision_encoder"),
            "projector": "linear",
            "language_model": str(SCRATCH / "language_model"),
            "from_scratch": ["vision_encoder", "language_model"],
            "image_size": 64,
            "image_tokens": 16,
        },
        "data": {"names": {"what": "short_answer", "root": str(folder / "birds"), "options": {"source": "cub"}}},
        "stages": {
            "align": {"train": {"projector": 1.0e-3}, "mix": {"names": 1}, "global_batch_size": 64},
            "sft": {"train": {"language_model": 1.0e-5}, "mix": {"names": 2}, "global_batch_size": 64},
        },
        "evaluation": {"tasks": ["fgbmk"]},
        **changes,
    }


def write(folder: Path, values: dict) -> Path:
    path = folder / f"{values['name']}.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


class Submitter:
    """`python -m fgtrain ... --submit` in `folder`, with fakes of Slurm's commands on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.queue = folder, folder / "sbatch.log", folder / "queue"
        commands = folder / "bin"
        commands.mkdir()
        for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE)):
            (commands / name).write_text(text)
            (commands / name).chmod(0o755)
        self.profile(PROFILE)

    def profile(self, values: dict | str) -> None:
        """Write the profile, as text or as values."""
        text = values if isinstance(values, str) else yaml.safe_dump(values)
        (self.folder / "cluster.yaml").write_text(text)

    def __call__(self, *words: str, path: str | None = None, **environment: str) -> tuple[int, str]:
        """Exit status and everything printed. In this process: twenty starts of python would take minutes."""
        own = {
            "PATH": path or f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "LOG": str(self.log),
            "QUEUE": str(self.queue),
            "COLUMNS": "160",
        }
        printed = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
            patch.chdir(self.folder)
            patch.delenv("FGTRAIN_CLUSTER", raising=False)
            for name, value in (own | environment).items():
                patch.setenv(name, value)
            status = run_command(lambda: main([*words, "--submit", "--cluster", "cluster.yaml"]))
        return status, printed.getvalue()

    def submitted(self) -> list[tuple[str, list[int]]]:
        """(script's name, ids that it waits for) in the order of submission; the first job has id 101."""
        found = []
        for line in self.log.read_text().splitlines() if self.log.exists() else []:
            *options, script = line.split()
            ids = re.fullmatch(r"--parsable(?: --dependency=afterok((?::\d+)+))?", " ".join(options))[1] or ""
            after = [int(number) for number in ids.split(":")[1:]]
            found.append((f"{Path(script).parents[1].name}/{Path(script).stem}", after))
        return found


def record(folder: Path, run: str = "one") -> list[dict]:
    return json.loads((folder / "runs" / run / "slurm" / "jobs.json").read_text())["jobs"]
