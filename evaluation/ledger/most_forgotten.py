"""Which items are forgotten most often: over the checkpoints of a run, and over runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from data_builders.shared.seeding import address_hash

from .history import TaskHistory

MOST = 24
TIES = 20_000  # of items forgotten equally often, that are drawn from


@dataclass
class ForgottenItem:
    """`times`: from right to wrong, over all runs, a stage that runs share counted once. `runs`: run's place -> right
    at each checkpoint."""

    task: str
    question_id: int | str
    times: int
    runs: dict[int, list[bool]] = field(default_factory=dict)

    @property
    def lost_in(self) -> int:
        """Runs that end with the item wrong after it was right."""
        return sum(any(right) and not right[-1] for right in self.runs.values())


def own_steps(models: Sequence[Sequence[str]]) -> list[list[int]]:
    """The steps of each run that no run before it took. `models`: the weights' hashes at each run's checkpoints.

    Runs share stages; what is forgotten in a shared stage is forgotten once.
    """
    seen: set[tuple[str, str]] = set()
    found = []
    for hashes in models:
        steps = []
        for step, pair in enumerate(pairwise(hashes)):
            if not all(pair) or pair not in seen:
                steps.append(step)
            seen.add(pair)
        found.append(steps)
    return found


def most_forgotten(
    histories: dict[str, dict[int, TaskHistory]], models: Sequence[Sequence[str]], most: int = MOST
) -> list[ForgottenItem]:
    """`histories`: task -> run's place -> history; `models`: see `own_steps`. Most often first; of equals the first
    of every task goes before the second of any, in an order drawn by the items' addresses."""
    candidates, steps = [], own_steps(models)
    for task, by_run in histories.items():
        for turn, item in enumerate(_of_task(task, by_run, steps, most)):
            candidates.append((-item.times, -item.lost_in, turn, address_hash("forgotten", task), item))
    return [candidate[-1] for candidate in sorted(candidates, key=lambda one: one[:-1])[:most]]


def _of_task(task: str, by_run: dict[int, TaskHistory], steps: list[list[int]], most: int) -> list[ForgottenItem]:
    times: dict[int | str, int] = {}
    for number, history in by_run.items():
        counts = history.times_forgotten(steps[number])
        some = np.nonzero(counts)[0]
        for key, count in zip(history.ids[some].tolist(), counts[some].tolist(), strict=True):
            times[key] = times.get(key, 0) + count
    if not times:
        return []
    # Only the highest counts can be among the most; the rest need no address.
    least = sorted(times.values(), reverse=True)[: most * 4][-1]
    likely = [(key, count) for key, count in times.items() if count >= least]
    likely = sorted(likely, key=lambda one: -one[1])[:: max(1, len(likely) // TIES)]
    likely.sort(key=lambda one: (-one[1], address_hash("forgotten", task, one[0])))
    found = []
    for key, count in likely[: most * 4]:
        item = ForgottenItem(task, key, count)
        for number, history in by_run.items():
            place = history.item(key)
            if place is not None:
                item.runs[number] = history.right_of(place)
        found.append(item)
    return sorted(found, key=lambda one: (-one.times, -one.lost_in))[:most]
