"""A run as if each fine-grained task asked about seen categories only, or unseen ones, or stood for their harmonic
mean, or as if a task that is asked in every wording stood for their spread: so that whatever is said of a task's number
can be said of that of a part."""

from dataclasses import replace

from ..scoring.seen_scores import HELD_OUT, PARTS
from ..scoring.wordings import SPREAD
from .run import Checkpoint, Run

OF_TASK = ":"  # fgbmk/cub/species/choice:unseen, fgbmk_wordings/cub/species/choice:spread


def named_part(measure: str) -> tuple[str, str | None]:
    """(measure without its part, part): ("fine_grained", "unseen") for unseen, (TASK, "unseen") for TASK:unseen, so
    for TASK:spread, and (measure, None) for what is no part."""
    if measure in PARTS:
        return "fine_grained", measure
    task, colon, part = measure.rpartition(OF_TASK)
    return (task, part) if colon and part in (*PARTS, SPREAD) else (measure, None)


def run_of_part(run: Run, part: str) -> Run:
    """The run with those tasks alone whose scores are split, or that are asked in every wording."""
    of = _spreads if part == SPREAD else _tasks
    checkpoints = (replace(one, tasks=of(run, one, part)) for one in run.checkpoints)
    return replace(run, checkpoints=tuple(checkpoints))


def _tasks(run: Run, checkpoint: Checkpoint, part: str) -> dict[str, dict]:
    found = {}
    for task, score in checkpoint.tasks.items():
        own = next((one for one in score.get("groups") or () if _is_part(one, score, part)), None)
        if own is not None and task in run.sides:
            told = {"name": part, "list": run.sides[task].identity}
            one = {key: own.get(key) for key in ("rule", "metric", "value", "low", "high", "n")} | {"unit": "percent"}
            found[task] = {**score, "scores": [one], "n": own["n"], "chance": own.get("chance"), "part": told}
            found[task].pop("images", None)  # those of all questions
    return found


def _spreads(run: Run, checkpoint: Checkpoint, part: str) -> dict[str, dict]:
    found = {}
    for task, score in checkpoint.tasks.items():
        named = (f"{SPREAD}_of_wording", score["primary"])
        own = next((one for one in score["scores"] if (one.get("metric"), one["rule"]) == named), None)
        if own is not None:
            found[task] = {**score, "scores": [own], "chance": None, "part": {"name": part}}
    return found


def _is_part(group: dict, score: dict, part: str) -> bool:
    return group.get("by") == HELD_OUT and group["name"] == part and group["rule"] == score["primary"]
