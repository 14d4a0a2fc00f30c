"""Features as a study's measure: features/DATA SET/MEASURE/PART, read from the features.json of each run.

PART is encoder or projector, or projector-encoder: what the projector changes, picture by picture (FG-BMK's Table 4).
The number is the measure's first one, at the last checkpoint whose features were measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl

from ..ledger import Run, known, primary
from ..ledger.store import TOLERANCE, half_width
from .measures import Measured
from .runs import StudyRun
from .seed_image_interval import Z95

LEAD = "features/"


@dataclass(frozen=True)
class Found:
    """One run's number behind one part. `values`: each picture's, in percent; None where they do not give it."""

    value: float
    n: int
    variance: float
    weights: str
    images: tuple[str, ...]
    values: np.ndarray | None


def feature_measure(name: str, runs: Sequence[StudyRun]) -> Measured:
    """The measure of all runs that have it, on the same pictures. UserError: no run has it, or its name is not one."""
    task, parts = split(name)
    having = {one.name: found for one in runs if all(found := [read(one.run, task, part) for part in parts])}
    if not having:
        raise UserError(f"measure {name!r} is measured in none of these runs; {known_measures(runs)}")
    members = [one for one in runs if one.name in having]
    head = having[members[0].name][0]
    other = next((one.name for one in members if having[one.name][0].images != head.images), None)
    followed = other is None and all(one.values is not None for some in having.values() for one in some)
    measured = Measured(
        name=name,
        unit="points",
        tasks=() if other else (task,),
        questions=head.n,
        images=head.n,
        values={},
        influence_K={},
        apart={},
        weights={},
        left_out=(f"{name}: {other} was measured on other pictures than {members[0].name}",) if other else (),
        unfollowed=() if followed else (task,),
    )
    for one in members if other is None else ():
        key, some = (one.arm, one.seed), having[one.name]
        signs = (1, -1)[: len(some)]
        measured.values[key] = sum(sign * part.value for sign, part in zip(signs, some, strict=True))
        measured.weights[key] = " ".join(part.weights for part in some)
        if followed:
            values = sum(sign * part.values for sign, part in zip(signs, some, strict=True))
            measured.influence_K[key], measured.apart[key] = (values - values.mean()) / len(values), 0.0
        else:
            measured.influence_K[key], measured.apart[key] = np.zeros(0), sum(part.variance for part in some)
    return measured


def split(name: str) -> tuple[str, list[str]]:
    """features/cub/probe/projector-encoder -> (features/cub/probe, [projector, encoder])."""
    task, _, parts = name.rpartition("/")
    if task.count("/") != 2 or not 1 <= len(parts.split("-")) <= 2:
        raise UserError(f"measure {name!r}: write features/DATA SET/MEASURE/PART, as features/cub/probe/projector")
    return task, parts.split("-")


def read(run: Run, task: str, part: str) -> Found | None:
    """The task's number behind this part at the last checkpoint that has it; None where none has."""
    for checkpoint in reversed(checkpoints(run)):
        folder = run.folder / "features" / checkpoint / part
        entry = read_json(folder / "features.json") if (folder / "features.json").is_file() else {"tasks": {}}
        score = entry["tasks"].get(task)
        if score is None or not known(primary(score)["value"]):
            continue
        head = primary(score)
        images, values = pictures(folder / "items" / f"{task.replace('/', '__')}.jsonl")
        gives = values is not None and abs(values.mean() - head["value"]) < TOLERANCE
        variance = (half_width(head) / Z95) ** 2
        return Found(head["value"], head["n"], variance, entry["model_hash"], images, values if gives else None)
    return None


def checkpoints(run: Run) -> list[str]:
    """Those whose features are there, in the order of training."""
    there = {path.parent.parent.name for path in (run.folder / "features").glob("*/*/features.json")}
    order = ["start", *(run.recipe.get("stages") or {}), *(one.name for one in run.checkpoints)]
    return [name for name in dict.fromkeys(order) if name in there]


def pictures(path: Path) -> tuple[tuple[str, ...], np.ndarray | None]:
    """(pictures in their order, one value in percent each); nothing where they were not kept."""
    if not path.is_file():
        return (), None
    rows = list(read_jsonl(path))
    return tuple(row["image"] for row in rows), 100 * np.array([row["value"] for row in rows], float)


def known_measures(runs: Sequence[StudyRun]) -> str:
    """What they have, in words."""
    paths = [path for one in runs for path in one.run.folder.glob("features/*/*/features.json")]
    names = sorted({f"{task}/{path.parent.name}" for path in paths for task in read_json(path)["tasks"]})
    return f"they have {', '.join(names)}" if names else "no run has measured features (evaluation.features)"
