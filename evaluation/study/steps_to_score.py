"""How many optimizer steps until a score is reached and kept: what "faster convergence" means in numbers.

Read from the questions asked while a run trains (`evaluation.every_steps`) and the same ones at its checkpoints. Steps
count over all stages. Reached is the first evaluation from which on no later one of the run is below the score; a run
without one is "not reached", and an arm with such a run has no mean: the mean of those that did reach it would be too
low. The interval is over seeds alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..ledger import Run, known
from ..shared.measure_names import read_measure
from .measures import Measured
from .runs import GROUP_MEASURES, StudyRun, of_task

Curve = dict[int, float]  # optimizer steps over all stages -> score in percent


def steps_to_score(called: str, runs: Sequence[StudyRun]) -> Measured:
    """`called`: steps until WHAT reaches PERCENT. The measure of all arms whose every run reached the score."""
    said = read_measure(called)
    tasks = common_tasks(said.what, runs)
    curves = {(one.arm, one.seed): {} if asked_too_seldom(one.run, tasks) else curve(one.run, tasks) for one in runs}
    reached = {key: first_kept(points, said.reaches) for key, points in curves.items()}
    own = {arm: {key: steps for key, steps in reached.items() if key[0] == arm} for arm, _ in curves}
    whole = [arm for arm, some in own.items() if None not in some.values()]
    values = {key: float(steps) for key, steps in reached.items() if key[0] in whole}
    return Measured(
        name=called,
        unit="steps",
        tasks=tuple(tasks),
        questions=sum(questions(runs[0].run, task) for task in tasks),
        images=0,
        values=values,
        influence_K={key: np.zeros(0) for key in values},
        apart=dict.fromkeys(values, 0.0),
        weights={(one.arm, one.seed): one.run.last.model_hash for one in runs},
        left_out=tuple(
            ("", f": {arm}: {censored(some, curves)}") for arm, some in own.items() if None in some.values()
        ),
        unfollowed=(),
        remarks=(("", f": {resolution(curves)}"),) if values else (),
    )


def common_tasks(what: str, runs: Sequence[StudyRun]) -> list[str]:
    """The tasks of the group (or the one task) that every run was asked about in between."""
    asked = [list(dict.fromkeys(row["task"] for row in subset_rows(one.run) if belongs(row, what))) for one in runs]
    return [task for task in asked[0] if all(task in others for others in asked)] if asked else []


def belongs(row: Mapping, what: str) -> bool:
    return row.get("group") == GROUP_MEASURES[what] if what in GROUP_MEASURES else of_task(row["task"], what)


def subset_rows(run: Run) -> list[dict]:
    """Rows of the questions asked in between, under each task's own rule, in percent."""
    rows = [row for row in run.evals if row.get("subset") and row.get("primary") and row.get("unit") != "perplexity"]
    return [row for row in rows if known(row.get("value"))]


def questions(run: Run, task: str) -> int:
    return next((int(row.get("n") or 0) for row in subset_rows(run) if row["task"] == task), 0)


def curve(run: Run, tasks: Sequence[str]) -> Curve:
    """The mean over the tasks wherever all of them have a number."""
    before, found = steps_before(run), {}
    for row in subset_rows(run):
        if row["task"] in tasks and (row.get("stage") is None or row["stage"] in before):
            at = before.get(row.get("stage"), 0) + int(row.get("step") or 0)
            found.setdefault(at, {})[row["task"]] = row["value"]
    return {at: sum(some.values()) / len(tasks) for at, some in sorted(found.items()) if len(some) == len(tasks)}


def asked_too_seldom(run: Run, tasks: Sequence[str]) -> bool:
    """Is there a hole in the curve? A stage that is shared with a run which asked nothing, or seldomer, has one."""
    every = (run.recipe.get("evaluation") or {}).get("every_steps")
    places = sorted(curve(run, tasks))
    return bool(every) and any(gap >= 2 * every for gap in np.diff(places))  # a stage's end need not be scored


def steps_before(run: Run) -> dict[str, int]:
    """Stage -> optimizer steps of the run before it."""
    found, taken = {}, 0
    for stage in run.plan.get("stages") or ():
        found[stage["name"]] = taken
        taken += int(stage.get("steps") or 0)
    return found


def first_kept(points: Curve, percent: float) -> int | None:
    """The first place from which on no value is below `percent`; None: the last one is, or there is none."""
    found = None
    for at, value in sorted(points.items(), reverse=True):
        if value < percent:
            break
        found = at
    return found


def censored(reached: Mapping[tuple[str, int], int | None], curves: Mapping[tuple[str, int], Curve]) -> str:
    """'not reached in 247 steps by seed 18 (seed 17: at 120)'."""
    without = [key for key, steps in reached.items() if steps is None]
    if not all(curves[key] for key in without):
        return (
            "nothing was asked while it trained (evaluation.every_steps), or it shares a stage with a run that asked "
            "nothing: give the study a runs_root of its own"
        )
    most = max(max(curves[key], default=0) for key in without)
    seeds = ", ".join(str(seed) for _, seed in without)
    others = [f"seed {seed}: at {steps:,}" for (_, seed), steps in reached.items() if steps is not None]
    named = f"seed{'s' if len(without) > 1 else ''} {seeds}"
    return f"not reached and kept in {most:,} steps by {named}" + (f" ({', '.join(others)})" if others else "")


def resolution(curves: Mapping[tuple[str, int], Curve]) -> str:
    gaps = [int(gap) for points in curves.values() if len(points) > 1 for gap in np.diff(sorted(points))]
    apart = f"; it was asked every {max(gaps):,} steps or oftener, and a number may be up to so many too high"
    return f"over seeds alone, of a fixed subset of the questions{apart if gaps else ''}"
