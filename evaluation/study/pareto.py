"""Which arms no other betters: more on fine-grained tasks, less forgotten; and whose place is within noise."""

from collections.abc import Sequence
from dataclasses import dataclass

from .measures import Measured


@dataclass(frozen=True)
class Ends:
    """A number with its 95 % interval, in points."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ParetoPlace:
    """An arm's place. `bettered_by`: the arms that are at least as good in both and better in one; none: on the front.

    `within_noise`: the place hangs on differences whose paired 95 % interval holds zero. On the front: there is an arm
    than which this one is not clearly better in either measure; off it: no arm of `bettered_by` is clearly better.
    """

    arm: str
    fine_grained: Ends
    forgetting: Ends
    bettered_by: list[str]
    within_noise: bool

    @property
    def on_front(self) -> bool:
        return not self.bettered_by


def pareto_places(arms: Sequence[str], fine: Measured, forgetting: Measured) -> list[ParetoPlace]:
    """The arms that have both measures; empty for under two."""
    ends = {}
    for arm in arms:
        gained, lost = fine.arm_mean(arm), forgetting.arm_mean(arm)
        if gained and lost:
            ends[arm] = tuple(Ends(one.value, *one.share_interval()) for one in (gained, lost))
    if len(ends) < 2:
        return []
    found = []
    for arm, own in ends.items():
        others = [other for other in ends if other != arm]
        bettered_by = [other for other in others if dominates(ends[other], own)]
        if bettered_by:
            noise = not any(clearly_better(other, arm, fine, forgetting) for other in bettered_by)
        else:
            noise = not all(clearly_better(arm, other, fine, forgetting) for other in others)
        found.append(ParetoPlace(arm, *own, bettered_by, noise))
    return found


def clearly_better(arm: str, other: str, fine: Measured, forgetting: Measured) -> bool:
    """Whether the arm is clearly better in one of the two at least."""
    return clearly(fine, arm, other) or clearly(forgetting, other, arm)


def dominates(one: tuple[Ends, Ends], other: tuple[Ends, Ends]) -> bool:
    """Whether `one` (gained, forgotten) is nowhere worse than `other` and somewhere better."""
    more, less = one[0].value - other[0].value, other[1].value - one[1].value
    return more >= 0 and less >= 0 and (more > 0 or less > 0)


def clearly(measured: Measured, higher: str, lower: str) -> bool:
    """Whether `higher` lies above `lower` by more than their paired interval."""
    difference = measured.difference(higher, lower)
    return difference is not None and difference.interval()[0] > 0
