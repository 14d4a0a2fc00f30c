"""From the runs of a study to its answer: every measure of every arm, every contrast with its verdict."""

from collections.abc import Sequence
from dataclasses import replace

from data_builders.shared.errors import UserError
from data_builders.shared.progress import progress

from ..ledger import ItemStore
from ..scoring.chance import standing
from ..scoring.statistics import holm
from ..shared.measure_names import MeasureName, read_measure
from .answer import ArmAnswer, ArmMean, Contrast, MeasureFacts, StudyAnswer
from .at_checkpoint import each_share
from .caveats import not_measured, notes
from .costs import arm_cost
from .feature_measures import LEAD, feature_measure
from .measures import Measured, measure
from .over_run import over_run
from .pareto import pareto_places
from .retained import retained
from .runs import StudyRun, StudyRuns, read_runs
from .steps_to_score import steps_to_score

LEVEL = 0.05
PLANE = ("fine_grained", "forgetting")  # of the picture of gain against forgetting
LEAST_SEEDS = 3  # below that nothing is claimed


def study_answer(runs: StudyRuns) -> StudyAnswer:
    """Read the run folders and answer. UserError: a folder without scores, an unknown arm or measure."""
    members, store = read_runs(runs), ItemStore()
    names = list(dict.fromkeys(runs.measures))
    measured, plane = {}, {}
    shares = each_share(members)
    with progress("answering the study", "measures", len(names) + len(PLANE), brief=True) as advance:
        for name in names:
            measured[name] = measured_as(name, members, store)
            advance(1)
        for name in PLANE:
            known = shares == members and name in measured
            plane[name] = measured[name] if known else measured_as(name, shares, store)
            advance(1)
    return StudyAnswer(
        name=runs.name,
        question=runs.question,
        arms=[arm_answer(runs, arm, members, measured) for arm in runs.arms],
        measures=[
            MeasureFacts(one.name, one.unit, list(one.tasks), one.questions, one.images, one.chance)
            for one in measured.values()
        ],
        contrasts=contrasts(runs.contrasts, measured),
        pareto=pareto_places(list(dict.fromkeys(one.arm for one in shares)), *(plane[name] for name in PLANE)),
        matched=[{**one, "exempt": list(one.get("exempt") or ())} for one in runs.matched],
        not_measured=not_measured(runs, measured),
        notes=[*runs.notes, *notes(members, measured)],
        retained=retained(list(runs.arms), measured),
        over_run=over_run(members, measured),
    )


def measured_as(name: str, members: Sequence[StudyRun], store: ItemStore) -> Measured:
    if name.startswith(LEAD):
        return feature_measure(name, members)
    return steps_to_score(name, members) if said(name).reaches is not None else measure(name, members, store)


def said(name: str) -> MeasureName:
    """UserError: not what a measure may be called."""
    try:
        return read_measure(name)
    except ValueError as error:
        raise UserError(f"measure {name!r} is {error}") from None


def arm_answer(runs: StudyRuns, arm: str, members: Sequence[StudyRun], measured: dict[str, Measured]) -> ArmAnswer:
    own = [one for one in members if one.arm == arm]
    return ArmAnswer(
        arm=arm,
        runs={one.seed: str(one.run.folder) for one in own},
        checkpoints=list(dict.fromkeys(one.run.last.name for one in own)),
        hours=runs.costs.get(arm),
        means={name: arm_mean(arm, one) for name, one in measured.items()},
        cost=arm_cost(own),
    )


def arm_mean(arm: str, measured: Measured) -> ArmMean | None:
    mean = measured.arm_mean(arm)
    if mean is None:
        return None
    low, high = mean.share_interval() if measured.is_share else mean.interval()
    return ArmMean(
        measure=measured.name,
        value=mean.value,
        low=low,
        high=high,
        covers=mean.covers,
        seeds=mean.seeds,
        images=mean.images,
        questions=measured.questions,
        per_seed={seed: measured.values[arm, seed] for seed in measured.seeds(arm)},
        stands=standing(low, high, measured.chance),
    )


def contrasts(pairs: Sequence[tuple[str, str]], measured: dict[str, Measured]) -> list[Contrast]:
    """Every contrast under every measure, p values adjusted over all of them."""
    pairs = list(dict.fromkeys(pairs))
    found = [contrast(first, second, one) for first, second in pairs for one in measured.values()]
    tested = [place for place, one in enumerate(found) if one.p is not None]
    for place, adjusted in zip(tested, holm([found[place].p for place in tested]), strict=True):
        found[place] = with_verdict(replace(found[place], p_holm=adjusted), len(tested))
    return found


def contrast(first: str, second: str, measured: Measured) -> Contrast:
    mean = measured.difference(first, second)
    about = {"first": first, "second": second, "measure": measured.name}
    if mean is None:
        without = [arm for arm in (first, second) if not measured.seeds(arm)]
        why = f"not measured in {' and '.join(without)}" if without else "they have no seed in common"
        return Contrast(**about, verdict="not measured", why=why)
    low, high = mean.interval()
    return Contrast(
        **about,
        verdict="seeds are missing",
        value=mean.value,
        low=low,
        high=high,
        covers=mean.covers,
        seeds=mean.seeds,
        images=mean.images,
        per_seed={
            seed: measured.values[first, seed] - measured.values[second, seed]
            for seed in measured.paired_seeds(first, second)
        },
        p=mean.p_value(),
        beyond=any(not one.stands for one in (arm_mean(first, measured), arm_mean(second, measured))),
    )


def with_verdict(one: Contrast, family: int) -> Contrast:
    """shown: the interval leaves zero out after Holm, three seeds or more agree on the side, and one of the arms at
    least does more than guess."""
    if one.low <= 0 <= one.high:
        return replace(one, verdict="not shown")
    if not one.beyond:
        return replace(one, verdict="not shown", why="neither arm is beyond chance")
    if one.p_holm >= LEVEL:
        return replace(one, verdict="not shown", why=f"after Holm over {family} tests p is {p_text(one.p_holm)}")
    if one.seeds < LEAST_SEEDS:
        return replace(one, verdict="not shown", why=f"{one.seeds} seeds are too few, {LEAST_SEEDS} are asked for")
    if any(value * one.value <= 0 for value in one.per_seed.values()):
        return replace(one, verdict="not shown", why="the seeds do not agree")
    return replace(one, verdict="shown")


def p_text(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.0995 else f"{p:.2f}"
