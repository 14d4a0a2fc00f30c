"""What a watched stage came to, in its store: watch.json, written at every look.

{"of_steps": planned, "limit", "risk", "looks_planned", "weights": {gain, forgetting} of keep_best,
 "looks": [{"step", "samples_seen", "forgetting", "at_least", "gain", "worth"}], "stopped_at": step or null}
Points throughout; what is not measured is null.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_builders.shared.state_files import read_state
from fgtrain.plan import Plan, StagePlan

WATCH = "watch.json"
BEST = "best"  # folder in the store: the best checkpoint, whole, or a link to the last


def read_watch(store: Path) -> dict[str, Any] | None:
    """None where the stage was not watched. UserError where the file is not what was written."""
    path = store / WATCH
    if not path.is_file():
        return None
    again = f"Remove {store}; the stage is trained anew"
    return read_state(path, dict[str, Any], again)


def watch_of(stage: StagePlan) -> dict[str, Any] | None:
    """The same of a planned stage; without looking where its plan has nobody look."""
    return read_watch(Path(stage.store).parent) if stage.watch is not None else None


def stopped_at(stage: StagePlan) -> int | None:
    """The step at which the stage was stopped early; None where it was not (or is not done)."""
    watch = watch_of(stage)
    return watch["stopped_at"] if watch is not None else None


def trained_steps(stage: StagePlan) -> int | None:
    """Optimizer steps that the stage did, once it is done; as planned until then."""
    step = stopped_at(stage)
    return stage.steps if step is None else step


def trained_samples(stage: StagePlan) -> int | None:
    step = stopped_at(stage)
    if step is None or stage.samples is None:
        return stage.samples
    return min(step * stage.batch.global_batch_size, stage.samples)


def best_look(watch: dict[str, Any]) -> dict[str, Any] | None:
    """The look at the best checkpoint, the earliest of equal ones; None where none is kept."""
    looks = [look for look in watch["looks"] if look["worth"] is not None]
    return max(looks, key=lambda look: (look["worth"], -look["step"]), default=None)


def watch_rows(stage: str, watch: dict[str, Any]) -> list[dict[str, Any]]:
    """One row of metrics.jsonl a look; samples counted from the stage's beginning."""
    return [watch_row(stage, watch, look) for look in watch["looks"]]


def watch_row(stage: str, watch: dict[str, Any], look: dict[str, Any]) -> dict[str, Any]:
    known = {key: value for key, value in look.items() if value is not None}
    return {"kind": "watch", "stage": stage, **known, "limit": watch["limit"], "stopped": why_stopped(watch, look)}


def why_stopped(watch: dict[str, Any], look: dict[str, Any]) -> str | None:
    """In words, for the look that has ended the stage; else None."""
    if look["step"] != watch["stopped_at"]:
        return None
    return (
        f"stopped early at step {look['step']:,} of {watch['of_steps']:,}: {look['forgetting']:.1f} points of general "
        f"skill forgotten since the stage began, {look['at_least']:.1f} at least, more than {watch['limit']:g} allowed"
    )


def watch_lines(stage: StagePlan) -> list[str]:
    """What there is to say of a stage that was watched: that it stopped early, and which checkpoint was the best."""
    watch = watch_of(stage)
    if watch is None:
        return []
    said = [why for look in watch["looks"] if (why := why_stopped(watch, look))]
    if (best := best_look(watch)) is not None:
        figures = [("gained", best["gain"]), ("forgotten", best["forgetting"])]
        points = ", ".join(f"{value:.1f} points {word}" for word, value in figures if value is not None)
        said.append(f"best checkpoint kept: step {best['step']:,} of {watch['of_steps']:,} ({points})")
    return said


def watched_lines(name: str, plan: Plan) -> Iterator[str]:
    """Lines for people about a run's stages that are done."""
    for stage in plan.stages:
        if stage.watch is not None and Path(stage.store).exists():
            yield from (f"{name}: stage {stage.name}: {line}" for line in watch_lines(stage))
