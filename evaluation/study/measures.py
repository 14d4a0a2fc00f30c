"""One measure of every run: its value, and how much each image moves it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..ledger import Checkpoint, ItemStore, Run, ever_beyond, floor, known, primary
from ..ledger.seen_or_unseen import named_part, run_of_part
from ..ledger.store import half_width
from ..shared.measure_names import read_measure
from ..shared.sweeps import beside
from .at_checkpoint import by_metric, ended_at, named_metric
from .runs import AboutMeasure, StudyRun, common_tasks
from .seed_image_interval import Z95, SeedImageMean, seed_image_mean
from .seed_noise import SeedNoise, noise_of_arms, noise_of_differences


@dataclass(frozen=True)
class Measured:
    """A measure of all runs that have it. `influence_K`: points by which each image of the study moves a run's value;
    `apart`: variance of the value from tasks whose answers do not lie on disk (or do not give the score)."""

    name: str
    unit: str  # points, perplexity or steps
    tasks: tuple[str, ...]
    questions: int
    images: int
    values: dict[tuple[str, int], float]  # (arm, seed) -> value
    influence_K: dict[tuple[str, int], np.ndarray]
    apart: dict[tuple[str, int], float]
    weights: dict[tuple[str, int], str]  # hash of the weights that were asked
    left_out: tuple[AboutMeasure, ...]  # tasks that could not be compared, in words
    unfollowed: tuple[str, ...]  # tasks without answers of every run, whose images count as independent
    chance: float | None = None  # mean of the tasks' chance levels, in percent; None: no closed task, or no share
    remarks: tuple[AboutMeasure, ...] = ()  # how its numbers are to be read, where that is not plain
    difference_of_parts: bool = False  # each value is a difference, and may lie below 0

    @property
    def is_share(self) -> bool:
        """Of 100, so that no interval leaves 0 to 100."""
        return self.unit == "points" and not self.difference_of_parts

    def seeds(self, arm: str) -> list[int]:
        return [seed for one, seed in self.values if one == arm]

    def paired_seeds(self, first: str, second: str) -> list[int]:
        return [seed for seed in self.seeds(first) if (second, seed) in self.values]

    def arm_mean(self, arm: str) -> SeedImageMean | None:
        """Mean over the arm's seeds; None: not measured."""
        keys = [(arm, seed) for seed in self._distinct_seeds(arm)]
        if not keys:
            return None
        return seed_image_mean(
            np.asarray([self.values[key] for key in keys]),
            np.stack([self.influence_K[key] for key in keys]),
            apart=float(np.mean([self.apart[key] for key in keys])),
            all_images=self.images,
            study=noise_of_arms(self._by_arm),
        )

    def difference(self, first: str, second: str) -> SeedImageMean | None:
        """first minus second, seed by seed and image by image; None: no seed has both."""
        pairs = [((first, seed), (second, seed)) for seed in self.paired_seeds(first, second)]
        pairs = keep_distinct(pairs, [self._both_weights(*pair) for pair in pairs])
        if not pairs:
            return None
        return seed_image_mean(
            np.asarray([self.values[a] - self.values[b] for a, b in pairs]),
            np.stack([self.influence_K[a] - self.influence_K[b] for a, b in pairs]),
            apart=float(np.mean([self.apart[a] + self.apart[b] for a, b in pairs])),
            all_images=self.images,
            study=self._difference_noise,
        )

    @cached_property
    def _difference_noise(self) -> SeedNoise | None:
        return noise_of_differences(self._by_arm)

    @cached_property
    def _by_arm(self) -> dict[str, dict[int, float]]:
        arms = dict.fromkeys(arm for arm, _ in self.values)
        return {arm: {seed: self.values[arm, seed] for seed in self._distinct_seeds(arm)} for arm in arms}

    def _distinct_seeds(self, arm: str) -> list[int]:
        seeds = self.seeds(arm)
        return keep_distinct(seeds, [self.weights[arm, seed] for seed in seeds])

    def _both_weights(self, a: tuple, b: tuple) -> str:
        return f"{self.weights[a]} {self.weights[b]}" if self.weights[a] and self.weights[b] else ""


def keep_distinct(keys: list, weights: list[str]) -> list:
    """Without those whose weights (where known) are another's: a copy is no second seed."""
    seen: set[str] = set()
    return [key for key, one in zip(keys, weights, strict=True) if not one or not (one in seen or seen.add(one))]


def measure(called: str, runs: Sequence[StudyRun], store: ItemStore) -> Measured:
    """The measure `called` so, of all runs, on the tasks that can be compared between them."""
    said = read_measure(called)
    if said.at is not None:
        runs = ended_at(runs, said.at, called)
    name, part = named_part(said.what)
    if part is not None:
        runs = [replace(one, run=run_of_part(one.run, part)) for one in runs]
    else:
        name, metric = named_metric(name, runs)
        if metric is not None:
            runs = [replace(one, run=by_metric(one.run, name, metric, called)) for one in runs]
    common = common_tasks(name, runs, store, called)
    members, tasks = (common.runs if common.tasks else []), common.tasks
    images = {task: images_of(name, task, members, store) for task in tasks}
    followed = [task for task in tasks if images[task] is not None]
    numbers = np.unique(np.concatenate([images[task] for task in followed])) if followed else np.zeros(0, int)
    places = {task: np.searchsorted(numbers, images[task]) for task in followed}
    about = [members[0].run.last.tasks[task] for task in tasks]
    apart = [one for task, one in zip(tasks, about, strict=True) if task not in places]
    found = Measured(
        name=called,
        unit="perplexity" if any(primary(one).get("unit") == "perplexity" for one in about) else "points",
        tasks=tuple(tasks),
        questions=sum(int(one.get("n") or 0) for one in about),
        images=len(numbers) + sum(int(one.get("images") or one.get("n") or 0) for one in apart),
        values={},
        influence_K={},
        apart={},
        weights={},
        left_out=tuple(common.left_out),
        unfollowed=tuple(task for task in tasks if task not in places),
        chance=chance_of(name, about),
    )
    for one in members:
        key = (one.arm, one.seed)
        found.weights[key] = one.run.last.model_hash
        found.values[key], found.influence_K[key], found.apart[key] = 0.0, np.zeros(len(numbers)), 0.0
        for weight, checkpoint, task in terms(name, one.run, tasks):
            score = primary(checkpoint.tasks[task])
            found.values[key] += weight * score["value"]
            if task in places:
                moved = store.answers(one.run, checkpoint, task).influence
                found.influence_K[key] += np.bincount(places[task], weight * moved, minlength=len(numbers))
            else:
                found.apart[key] += (weight * half_width(score) / Z95) ** 2
    return found


def chance_of(name: str, about: Sequence[dict]) -> float | None:
    if name == "forgetting" or not any(known(one.get("chance")) for one in about):
        return None
    return sum(map(floor, about)) / len(about)


def terms(name: str, run: Run, tasks: Sequence[str]) -> list[tuple[float, Checkpoint, str]]:
    """(weight, checkpoint, task): the sum of weight x score is the run's value. Of a task that never was above chance
    in this run nothing can be forgotten."""
    weight = 1 / len(tasks)
    if name != "forgetting":
        return [(weight, run.last, task) for task in tasks]
    found = []
    for task in tasks:
        best = best_so_far(run, task)
        if best is not run.last and ever_beyond(run.checkpoints, task):
            found += [(weight, best, task), (-weight, run.last, task)]
    return found


def best_so_far(run: Run, task: str) -> Checkpoint:
    """The checkpoint at which the task stood highest, the latest of equals, of those that have its number; other shares
    of the last one's merge do not come before it.
    """
    points = [one for one in run.checkpoints if not beside(one.name, run.last.name)]
    numbered = [one for one in points if task in one.tasks and known(primary(one.tasks[task])["value"])]
    return max(reversed(numbered), key=lambda one: primary(one.tasks[task])["value"])


def images_of(name: str, task: str, runs: Sequence[StudyRun], store: ItemStore) -> np.ndarray | None:
    """The number of each question's image, the same for all runs; None where a run's answers are not to be had.

    The first run's, whatever the others call the folder of the images: they answered the same questions.
    """
    first = None
    for one in runs:
        for checkpoint in [one.run.last, *(checkpoint for _, checkpoint, _ in terms(name, one.run, [task]))]:
            answers = store.answers(one.run, checkpoint, task)
            if answers is None or (first is not None and not np.array_equal(answers.ids, first.ids)):
                return None
            first = first or answers
    return None if first is None else first.clusters
