"""Features as a study's measure: features/DATA SET/MEASURE/PART, read from the features.json of each run.

PART is encoder or projector, or projector-encoder: what the projector changes, picture by picture (FG-BMK's Table 4).
The number is the measure's first one, at the last checkpoint whose features were measured.
"""

from collections.abc import Mapping, Sequence
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
    """The measure of all runs that have it; a seed's pictures may be others than another's, but not an arm's.

    UserError: no run has it, or its name is not one.
    """
    task, parts = split(name)
    having = {one.name: found for one in runs if all(found := [read(one.run, task, part) for part in parts])}
    if not having:
        raise UserError(f"measure {name!r} is measured in none of these runs; {known_measures(runs)}")
    members = [one for one in runs if one.name in having]
    other = on_other_pictures(members, having)
    places = {
        image: place for place, image in enumerate(sorted({i for some in having.values() for i in some[0].images}))
    }
    followed = all(one.values is not None for some in having.values() for one in some)
    measured = Measured(
        name=name,
        unit="points",
        tasks=() if other else (task,),
        questions=having[members[0].name][0].n,
        images=len(places) or having[members[0].name][0].n,
        values={},
        influence_K={},
        apart={},
        weights={},
        left_out=(("", f": {other}"),) if other else (),
        unfollowed=() if followed or other else (task,),
        difference_of_parts=len(parts) > 1,
    )
    for one in () if other else members:
        key, some = (one.arm, one.seed), having[one.name]
        signs = (1, -1)[: len(some)]
        measured.values[key] = sum(sign * part.value for sign, part in zip(signs, some, strict=True))
        measured.weights[key] = " ".join(part.weights for part in some)
        measured.influence_K[key], measured.apart[key] = np.zeros(len(places) if followed else 0), 0.0
        if followed:
            values = sum(sign * part.values for sign, part in zip(signs, some, strict=True))
            own = [places[image] for image in some[0].images]
            measured.influence_K[key][own] = (values - values.mean()) / len(values)
        else:
            measured.apart[key] = sum(part.variance for part in some)
    return measured


def on_other_pictures(members: Sequence[StudyRun], having: Mapping[str, Sequence[Found]]) -> str:
    """Which run was measured on other pictures than the first of its seed, or than its own other part; else empty."""
    first: dict[int, StudyRun] = {}
    for one in members:
        head = first.setdefault(one.seed, one)
        if any(part.images != having[head.name][0].images for part in having[one.name]):
            return f"{one.name} was measured on other pictures than {head.name}"
    return ""


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
