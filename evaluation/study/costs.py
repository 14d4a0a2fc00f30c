"""What an arm cost, as its runs recorded it while they trained: device seconds of its stages, and the peak of memory.

A run's metrics hold every stage it went through, also those that another run had trained, so that arms which share
stages compare as if each had been run alone. Seconds are those of optimizer steps and of waiting for their data;
evaluation, saving and starting are in none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..ledger import Run, known
from .runs import StudyRun

UNITS = {"gpu": "GPU", "cpu": "CPU"}  # of what the seconds are; "device" where the recipe leaves it open


@dataclass(frozen=True)
class ArmCost:
    """`seconds` of all devices together, the mean over the arm's seeds; `stages`: those of each stage."""

    seconds: float
    stages: dict[str, float]
    unit: str  # GPU, CPU or device
    memory_gib: float | None  # most that one device (on CPUs: one process) held at any step; None: not on record
    seeds: int  # of which it is on record


def arm_cost(members: Sequence[StudyRun]) -> ArmCost | None:
    """Of the runs of one arm; None where no run of it has all its steps on record."""
    spent = [(one.run, stages) for one in members if (stages := stage_seconds(one.run))]
    if not spent:
        return None
    names = list(dict.fromkeys(name for _, stages in spent for name in stages))
    means = {name: sum(stages.get(name, 0.0) for _, stages in spent) / len(spent) for name in names}
    held = [row["memory_gib"] for run, _ in spent for row in run.train if known(row.get("memory_gib"))]
    devices = {UNITS.get(_devices(run).get("accelerator"), "device") for run, _ in spent}
    return ArmCost(
        seconds=sum(means.values()),
        stages=means,
        unit=devices.pop() if len(devices) == 1 else "device",
        memory_gib=max(held, default=None),
        seeds=len(spent),
    )


def stage_seconds(run: Run) -> dict[str, float] | None:
    """Stage -> device seconds; None where a step has no speed on record, or nothing was trained."""
    begins = {row["stage"]: row.get("samples_seen") or 0 for row in run.stages}
    devices = _devices(run)
    count = int(devices.get("count") or 1) * int(devices.get("nodes") or 1)
    found: dict[str, float] = {}
    stage, before = None, 0
    for row in sorted(run.train, key=lambda one: one["samples_seen"]):
        if row.get("stage") != stage:
            stage, before = row.get("stage"), begins.get(row.get("stage"), before)
        speed = row.get("samples_per_s")
        if not (known(speed) and speed > 0):
            return None
        found[str(stage)] = found.get(str(stage), 0.0) + count * (row["samples_seen"] - before) / speed
        before = row["samples_seen"]
    return found or None


def _devices(run: Run) -> dict:
    devices = run.recipe.get("devices")
    return devices if isinstance(devices, dict) else {}
