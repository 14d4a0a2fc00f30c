"""What belongs beside a study's numbers: what was not measured, and what an interval does not say by itself."""

from collections.abc import Sequence

from ..scoring.seen_scores import PARTS
from ..shared.measure_names import read_measure
from .measures import Measured
from .runs import StudyRun, StudyRuns, listed
from .seed_image_interval import sign_flip_floor


def not_measured(runs: StudyRuns, measured: dict[str, Measured]) -> list[str]:
    """What has no number, in sentences."""
    found = [f"{arm}: no run of it" for arm, seeds in runs.arms.items() if not seeds]
    for name, one in measured.items():
        reason = (
            "no task of it can be compared" if one.left_out and not one.tasks else WITHOUT.get(name, "no score of it")
        )
        if read_measure(name).reaches is not None:
            reason = "not reached and kept"
        missing = []
        for arm, seeds in runs.arms.items():
            without = [seed for seed in seeds if (arm, seed) not in one.values]
            whole = bool(seeds) and len(without) == len(seeds)
            missing += [arm] if whole else [f"{arm}, seed {seed}" for seed in without]
        if missing:
            found.append(f"{name} is not measured in {listed(missing)}: {reason}")
        found += one.left_out
    return list(dict.fromkeys(found))


NOTHING_HELD_OUT = "nothing is held out of its training, and evaluation.held_out names no list"
WITHOUT = {
    **dict.fromkeys(PARTS, NOTHING_HELD_OUT),
    "fine_grained": "no fine-grained task with a score in percent at the last checkpoint",
    "general": "no general task with a score in percent at the last checkpoint",
    "forgetting": "no general task with a score in percent both at the last checkpoint and at one before it",
}


def notes(members: Sequence[StudyRun], measured: dict[str, Measured]) -> list[str]:
    """How the numbers are to be read, where that is not plain."""
    found = []
    for name, one in measured.items():
        found += one.remarks
        if one.unfollowed:
            found.append(
                f"{name}: the answers of {listed(one.unfollowed)} do not lie on disk for all runs (or do not give the "
                "score on record); their images count as others in every arm, so that intervals are wider"
            )
    by_arm: dict[str, set[tuple[str, ...]]] = {}
    for one in members:
        by_arm.setdefault(one.arm, set()).add(tuple(point.name for point in one.run.checkpoints))
    if "forgetting" in measured and len(set().union(*by_arm.values())) > 1:
        ways = {arm: " | ".join(sorted(" > ".join(way) for way in own)) for arm, own in by_arm.items()}
        found.append(
            "forgetting: the best so far is sought among the checkpoints that were measured, and these differ: "
            + "; ".join(f"{arm}: {way}" for arm, way in ways.items())
        )
    for arm in by_arm:
        hashes = [one.run.last.model_hash for one in members if one.arm == arm and one.run.last.model_hash]
        if len(set(hashes)) < len(hashes):
            found.append(
                f"{arm}: {len(hashes)} seeds have {len(set(hashes))} different weights; equal weights count as one seed"
            )
    seeds = max((len(one.seeds(arm)) for one in measured.values() for arm in by_arm), default=0)
    if seeds > 1:
        found.append(
            "Intervals and p values take the values of the seeds as normal, and arms as varying with the seed about "
            f"alike (believed half); a test that assumes nothing of {seeds} seeds but symmetry could not give a p "
            f"below {sign_flip_floor(seeds):.2g}"
        )
    return found
