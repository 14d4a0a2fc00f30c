"""What a study comes to: every arm's mean, every contrast, and which arms are not bettered, with intervals."""

from dataclasses import dataclass, field

from ..shared.measure_names import read_measure
from .costs import ArmCost
from .over_run import OverRun
from .pareto import ParetoPlace
from .retained import Retained


@dataclass(frozen=True)
class ArmMean:
    """One measure of one arm: the mean over seeds with its 95 % interval. `low`, `high` cover what `covers` says."""

    measure: str
    value: float
    low: float
    high: float
    covers: str  # seeds and images | images only | seeds only | one seed
    seeds: int  # with different weights
    images: int
    questions: int
    per_seed: dict[int, float]
    stands: str = ""  # "at chance" or "below chance" where the interval does not leave that level behind


@dataclass(frozen=True)
class Contrast:
    """`first` minus `second` under one measure, paired by seed and image. Without a number: not measured, and why.

    `p`, `p_holm`: two-sided, and adjusted over all contrasts and measures of the study; None with one seed.
    `verdict`: shown | not shown | seeds are missing | not measured; `why`: what it hangs on, where that is not plain.
    """

    first: str
    second: str
    measure: str
    verdict: str
    why: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    covers: str = ""
    seeds: int = 0
    images: int = 0
    per_seed: dict[int, float] = field(default_factory=dict)
    p: float | None = None
    p_holm: float | None = None
    beyond: bool = True  # one of the two arms at least is clear of chance


@dataclass(frozen=True)
class ArmAnswer:
    """One arm: its runs, at which checkpoint they were measured, and each measure's mean (None: not measured)."""

    arm: str
    runs: dict[int, str]  # seed -> run folder
    checkpoints: list[str]  # the name of the last checkpoint; several where the seeds do not agree
    hours: float | None  # of devices, by the plan
    means: dict[str, ArmMean | None]
    cost: ArmCost | None = None  # as its runs recorded it; None: not on record


@dataclass(frozen=True)
class MeasureFacts:
    """What a measure was made of: the tasks that all arms were asked alike."""

    name: str
    unit: str  # points, perplexity or steps
    tasks: list[str]
    questions: int
    images: int
    chance: float | None = None  # mean of the tasks' chance levels, in percent; None where none asks closed questions


@dataclass(frozen=True)
class StudyAnswer:
    """All that a study comes to. `not_measured`, `notes`: sentences that belong beside the numbers."""

    name: str | None
    question: str
    arms: list[ArmAnswer]
    measures: list[MeasureFacts]
    contrasts: list[Contrast]
    pareto: list[ParetoPlace]  # empty where gain or forgetting was not measured
    matched: list[dict]
    not_measured: list[str]
    notes: list[str]
    retained: list[Retained] = field(default_factory=list)  # measures that were asked for at two checkpoints
    over_run: list[OverRun] = field(default_factory=list)  # the arms' curves, a group of tasks each

    def arm(self, name: str) -> ArmAnswer:
        return next(one for one in self.arms if one.arm == name)

    def ranked(self) -> list[ArmAnswer]:
        """The arms by their first measure, the best first, those without it last."""
        first = self.measures[0]
        better = 1 if first.unit == "perplexity" or read_measure(first.name).better < 0 else -1

        def place(one: ArmAnswer) -> tuple[bool, float]:
            mean = one.means[first.name]
            return (mean is None, better * mean.value if mean else 0.0)

        return sorted(self.arms, key=place)
