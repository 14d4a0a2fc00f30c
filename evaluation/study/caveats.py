"""What belongs beside a study's numbers: what was not measured, and what an interval does not say by itself."""

from collections.abc import Iterable, Sequence

from ..scoring.seen_scores import PARTS
from ..shared.measure_names import read_measure
from .measures import Measured
from .runs import AboutMeasure, StudyRun, StudyRuns, listed
from .seed_image_interval import sign_flip_floor


def not_measured(runs: StudyRuns, measured: dict[str, Measured]) -> list[str]:
    """What has no number, in sentences."""
    without_runs = [f"{arm}: no run of it" for arm, seeds in runs.arms.items() if not seeds]
    found: list[tuple[str, AboutMeasure]] = []
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
            found.append((name, ("", f" is not measured in {listed(missing)}: {reason}")))
        found += [(name, said) for said in one.left_out]
    return [*without_runs, *said_once(found)]


def said_once(found: Iterable[tuple[str, AboutMeasure]]) -> list[str]:
    """(measure, what is said of it) -> sentences; the same of several measures is one."""
    measures: dict[AboutMeasure, dict[str, None]] = {}
    for name, said in found:
        measures.setdefault(said, {})[name] = None
    return [f"{before}{', '.join(names)}{behind}" for (before, behind), names in measures.items()]


NOTHING_HELD_OUT = "nothing is held out of its training, and evaluation.held_out names no list"
WITHOUT = {
    **dict.fromkeys(PARTS, NOTHING_HELD_OUT),
    "fine_grained": "no fine-grained task with a score in percent at the last checkpoint",
    "general": "no general task with a score in percent at the last checkpoint",
    "forgetting": "no general task with a score in percent both at the last checkpoint and at one before it",
}


def notes(members: Sequence[StudyRun], measured: dict[str, Measured]) -> list[str]:
    """How the numbers are to be read, where that is not plain."""
    own = [(name, said) for name, one in measured.items() for said in (*one.remarks, *unfollowed(one))]
    found = said_once(own)
    by_arm: dict[str, set[tuple[str, ...]]] = {}
    for one in members:
        by_arm.setdefault(one.arm, set()).add(tuple(point.name for point in one.run.checkpoints))
    if "forgetting" in measured and len(set().union(*by_arm.values())) > 1:
        arms_of: dict[str, list[str]] = {}
        for arm, ways in by_arm.items():
            arms_of.setdefault(" | ".join(sorted(" > ".join(way) for way in ways)), []).append(arm)
        found.append(
            "forgetting: the best so far is sought among the checkpoints that were measured, and these differ: "
            + "; ".join(f"{way} ({', '.join(arms)})" for way, arms in arms_of.items())
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


def unfollowed(one: Measured) -> list[AboutMeasure]:
    if not one.unfollowed:
        return []
    return [
        (
            "",
            f": the answers of {listed(one.unfollowed)} do not lie on disk for all runs (or do not give the score on "
            "record); their images count as others in every arm, so that intervals are wider",
        )
    ]
