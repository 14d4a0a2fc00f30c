"""A cluster that only counts: sbatch, squeue and a recipe with a profile, for what is submitted and what is said."""

import io
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import yaml

from fgtrain.__main__ import main
from fgtrain.errors import run_command

REPOSITORY = Path(__file__).resolve().parents[3]
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
# What of the ids that it is asked for stands in the queue. Of a single one that does not, it says so as Slurm's does.
SQUEUE = """#!/usr/bin/env bash
ids=$(printf '%s\\n' "$@" | sed -n 's/^--jobs=//p' | tr , '\\n')
found=$(grep -xF "$ids" "$QUEUE" 2>/dev/null)
if [[ -z $found && $(wc -l <<< "$ids") -eq 1 ]]; then
    echo "slurm_load_jobs error: Invalid job id specified" >&2
    exit 1
fi
for id in $found; do echo "$id ${STATE:-PENDING}"; done
"""
PROFILE = {"gpus_per_node": 4, "time": "10:00:00", "partition": "gpu", "cpus_per_task": 6}


def recipe_values(folder: Path, name: str = "one", **changes: object) -> dict:
    """Two stages on a data set that lies at a path; nothing of it is read by submitting."""
    birds = folder / "birds"
    birds.mkdir(parents=True, exist_ok=True)
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
        "data": {"names": {"what": "short_answer", "root": str(birds), "options": {"source": "cub"}}},
        "stages": {
            "align": {"train": {"projector": 1.0e-3}, "mix": {"names": 1}, "global_batch_size": 64},
            "sft": {"train": {"language_model": 1.0e-5}, "mix": {"names": 2}, "global_batch_size": 64},
        },
        "encoder_cache": {"enabled": False},
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

    def environment(self, path: str | None = None) -> dict[str, str]:
        """What the fakes need."""
        path = path or f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return {"PATH": path, "LOG": str(self.log), "QUEUE": str(self.queue), "COLUMNS": "160"}

    def __call__(self, *words: str, path: str | None = None, **environment: str) -> tuple[int, str]:
        """Exit status and everything printed. In this process: twenty starts of python would take minutes."""
        printed = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
            patch.chdir(self.folder)
            patch.delenv("FGTRAIN_CLUSTER", raising=False)
            for name, value in (self.environment(path) | environment).items():
                patch.setenv(name, value)
            cluster = [] if "--cluster" in words else ["--cluster", "cluster.yaml"]
            status = run_command(lambda: main([*words, "--submit", *cluster]))
        return status, printed.getvalue()

    def submitted(self) -> dict[str, list[int]]:
        """<run>/<what> of each script -> ids that it waits for, in the order of submission; the first has id 101."""
        found = {}
        for line in self.log.read_text().splitlines() if self.log.exists() else []:
            *options, script = line.split()
            ids = re.fullmatch(r"--parsable(?: --dependency=afterok((?::\d+)+))?", " ".join(options))[1] or ""
            job = Path(script).parent
            what = re.sub("-[0-9a-f]{8}$", "", job.name)  # a build's own hash
            name = f"{job.parents[1].name}/{what}"
            assert name not in found, name
            found[name] = [int(number) for number in ids.split(":")[1:]]
        return found
