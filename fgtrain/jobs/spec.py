"""A job as it lies on disk: what it does, for what recipe, with how many processes; and how it ended."""

from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from data_builders.shared.files import atomic_write, write_json
from data_builders.shared.locks import locked
from data_builders.shared.state_files import read_state
from fgtrain.errors import UserError

SPEC, LOG, PROGRESS, RECIPE = "job.json", "log.txt", "progress.json", "recipe.yaml"
SPENT, ALIVE = "spent.json", "alive.lock"  # the first process holds the lock while the job is under way
TOLD = "fault.told"  # some process has printed what is wrong
FOLDER, RANK_LOG, LEASH, STOPPED_NOTE = "FGTRAIN_JOB", "log.{}.txt", "FGTRAIN_LEASH", "FGTRAIN_STOPPED"


@dataclass(frozen=True)
class JobSpec:
    """What a job's process reads when it starts. `recipe` is the file beside it, frozen when the job was made."""

    name: str  # <run>/<what>
    kind: str
    title: str
    processes: int = 1
    nodes: int = 1
    arguments: dict[str, Any] = field(default_factory=dict)
    recipe: bool = True  # does a recipe lie beside it?


@dataclass(frozen=True)
class Fault:
    """Why a process of a job did not end well. `status`: 2 the user's input, 1 anything else, 130 stopped."""

    rank: int
    status: int
    message: str
    shared: bool = False  # all processes have it alike
    at: float = 0.0  # seconds of the clock


def write_spec(folder: Path, spec: JobSpec, recipe: str | None) -> None:
    """The job into its folder; `recipe`: the resolved recipe as YAML."""
    if recipe is not None:
        path = folder / RECIPE
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(recipe)
    write_json(folder / SPEC, asdict(spec))


def read_spec(folder: Path) -> JobSpec:
    """UserError when the folder holds no job."""
    return read_state(folder / SPEC, JobSpec, "Start the run again: it writes the job anew")


def fault_path(folder: Path, rank: int) -> Path:
    return folder / f"fault.{rank}.json"


def write_fault(folder: Path, fault: Fault) -> None:
    write_json(fault_path(folder, fault.rank), asdict(fault))


def read_faults(folder: Path) -> list[Fault]:
    """Of all processes of the job's latest start, the telling ones first: those that came first, stops last."""
    found = []
    for path in sorted(folder.glob("fault.*.json")):
        try:
            found.append(read_state(path, Fault, ""))
        except UserError:
            continue  # torn by a killed process
    return sorted(found, key=lambda fault: (fault.status == 130, fault.status != 2, fault.at))


def add_spent(folder: Path, seconds: float) -> None:
    """Note that the job has taken so many seconds more."""
    write_json(folder / SPENT, {"seconds": spent(folder) + seconds})


def spent(folder: Path) -> float:
    """Seconds that the job has taken, over all its starts; 0 where nothing is noted."""
    try:
        seconds = read_state(folder / SPENT, dict[str, float], "").get("seconds", 0.0)
    except UserError:
        return 0.0
    return seconds if isfinite(seconds) and seconds > 0 else 0.0


def alive(folder: Path) -> bool:
    """Is the job under way, on whichever host?"""
    if not (folder / ALIVE).exists():
        return False
    try:
        with locked(folder / ALIVE, busy="alive", shared=True):  # beside others who only look
            return False
    except UserError:
        return True


def speaks_first(folder: Path) -> bool:
    """Is this the first process of the job that tells what is wrong? One message is enough."""
    try:
        (folder / TOLD).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def forget_faults(folder: Path) -> None:
    for path in folder.glob("fault.*"):
        path.unlink(missing_ok=True)
