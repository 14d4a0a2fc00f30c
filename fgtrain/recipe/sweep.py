"""A merge at several shares: `stages.wise.merge: {sft: [0.25, 0.5]}` is the stages wise@0.25 and wise@0.5.

Each is a stage as if it had been written by hand, and all start from the checkpoint that the one that was written does.
Whatever names the stage among checkpoints that are asked (`evaluation.at`) means all of them.
"""

from dataclasses import replace
from typing import Any

from evaluation.shared.sweeps import AT, is_swept

from .keys import START
from .problems import Key, Problem


def with_sweeps(values: dict) -> dict:
    """`values` with a stage for each share; as they are where no stage lists shares, or none that could be meant."""
    stages = values.get("stages")
    if not isinstance(stages, dict) or not any(_sweep(stage) for stage in stages.values()):
        return values
    made: dict[Any, Any] = {}
    names: dict[Any, list[str]] = {}
    before: str | None = START
    for name, stage in stages.items():
        if (sweep := _sweep(stage)) is None:
            made[name] = stage
        else:
            other, shares = sweep
            after = {"after": stage.get("after") or before}
            for share in shares:
                one = {**stage, **after, "merge": {**stage["merge"], other: share}}
                made[f"{name}{AT}{_text(share)}"] = one
            names[name] = [f"{name}{AT}{_text(share)}" for share in shares]
        if not (isinstance(stage, dict) and stage.get("enabled") is False):
            # Behind a sweep it is not clear which one is meant: the check of stages asks for `after`.
            before = None if sweep else name
    return _asked({**values, "stages": made}, names)


def as_written(problems: list[Problem]) -> list[Problem]:
    """Of what is wrong with the stages of a sweep: once, where the sweep is written."""
    found: dict[Key, Problem] = {}
    rest: list[Problem] = []
    for problem in problems:
        match problem.key:
            case ("stages", str(name), *inner) if is_swept(name):
                key = ("stages", name.partition(AT)[0], *inner)
                found.setdefault(key, replace(problem, key=key))
            case _:
                rest.append(problem)
    return [*rest, *found.values()]


def _sweep(stage: Any) -> tuple[Any, list[float]] | None:
    """(whose share it is, shares) of a stage that lists several numbers, each another, of one checkpoint."""
    merge = stage.get("merge") if isinstance(stage, dict) else None
    lists = (
        [(other, share) for other, share in merge.items() if isinstance(share, list)] if isinstance(merge, dict) else []
    )
    if len(lists) != 1:
        return None
    other, shares = lists[0]
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= 1 for one in shares)
    if not shares or not numbers or len({_text(one) for one in shares}) < len(shares):
        return None
    return other, shares


def _text(share: float) -> str:
    return f"{share:.6f}".rstrip("0").rstrip(".") or "0"


def _asked(values: dict, names: dict[Any, list[str]]) -> dict:
    """With the stages' names in place of the sweep's, wherever checkpoints to ask are listed."""
    evaluation = values.get("evaluation")
    if not isinstance(evaluation, dict):
        return values
    evaluation = _at(evaluation, names)
    for section in ("features", "judge"):
        if isinstance(evaluation.get(section), dict):
            evaluation[section] = _at(evaluation[section], names)
    return {**values, "evaluation": evaluation}


def _at(section: dict, names: dict[Any, list[str]]) -> dict:
    points = section.get("at")
    if not isinstance(points, list | tuple):
        return dict(section)
    every = [one for point in points for one in (names.get(point, [point]) if isinstance(point, str) else [point])]
    return {**section, "at": every}
