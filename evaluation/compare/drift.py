"""How far stages moved what a model answers, and whether forgetting follows it.

Two meters: KL(what the stage starts from || after it) on rows of the stage, as training measured it (arXiv 2509.04259),
and the shift of the answers' words (arXiv 2510.08564): total variation between the unigram distributions of a task's
answers before and after the stage, from 0 (the same words as often) to 1 (no word in common).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from data_builders.shared.files import read_jsonl
from data_builders.shared.seeding import draw

from ..ledger import Run, is_accuracy, known, primary
from ..scoring.ranks import spearman

DRAWS = 2000
FEWEST = 4  # runs, for a correlation to be given
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class StageDrift:
    """Of one stage, against the checkpoint that it starts from. None: not measured."""

    stage: str
    start: str  # that checkpoint
    kl: float | None  # nats a position
    words: float | None  # 0 to 1, mean over the tasks asked of both
    forgotten: float | None  # points, mean over the general tasks that had something to forget

    def to_json(self) -> dict:
        return dict(vars(self))


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho between a meter and forgetting over runs, with a 95 % bootstrap interval over runs."""

    meter: str  # kl, words
    runs: int
    rho: float
    low: float
    high: float

    def to_json(self) -> dict:
        return dict(vars(self))


def drift_of_run(run: Run) -> list[StageDrift]:
    """One entry a stage of the run that trained and of which anything is known, in their order."""
    latest = {row["stage"]: row for row in run.drift}
    tasks = {one.name: one.tasks for one in run.checkpoints}
    found = []
    for stage in run.plan.get("stages") or ():
        name, start = stage.get("name"), stage.get("starts_from")
        if not isinstance(name, str) or not isinstance(start, str) or stage.get("batch") is None:
            continue
        kl = latest.get(name, {}).get("kl")
        both = start in tasks and name in tasks
        words = words_moved(run, start, name, tasks[start].keys() & tasks[name].keys()) if both else None
        lost = forgotten(tasks[start], tasks[name]) if both else None
        if any(value is not None for value in (kl, words, lost)):
            found.append(StageDrift(name, start, kl if known(kl) else None, words, lost))
    return found


def forgotten(before: dict[str, dict], after: dict[str, dict]) -> float | None:
    """Points lost between two checkpoints: the mean over general tasks that were clear of chance, or of 0, before."""
    lost = []
    for name in before.keys() & after.keys():
        one, other = primary(before[name]), primary(after[name])
        if before[name]["group"] != "general" or not is_accuracy(before[name]):
            continue
        low = one.get("low")
        if known(low) and low > (before[name].get("chance") or 0.0) and known(other["value"]):
            lost.append(one["value"] - other["value"])
    return float(np.mean(lost)) if lost else None


def words_moved(run: Run, before: str, after: str, tasks: Iterable[str]) -> float | None:
    """The mean over tasks; None where no answers of both are there."""
    found = []
    for task in sorted(tasks):
        both = [_words(run.answers_file(checkpoint, task)) for checkpoint in (before, after)]
        if all(both):
            found.append(distance(*both))
    return float(np.mean(found)) if found else None


def distance(a: Counter, b: Counter) -> float:
    """Total variation between two counts of words, each as a distribution."""
    of_a, of_b = a.total(), b.total()
    # In whole numbers: the order in which words are added up must not count.
    return sum(abs(a[word] * of_b - b[word] * of_a) for word in a.keys() | b.keys()) / (2 * of_a * of_b)


@lru_cache(maxsize=512)
def _words(path: Path) -> Counter:
    """Word, in small letters -> how often the answers have it."""
    rows = read_jsonl(path) if path.is_file() else ()
    return Counter(word for row in rows for word in WORD.findall(str(row.get("answer") or "").lower()))


def correlations(runs: Sequence[Sequence[StageDrift]]) -> list[Correlation]:
    """Of each meter, where it can be told: over runs, each with the last of its stages that has meter and forgetting.

    What runs share (the stages before) is the same work, so a run counts once.
    """
    made = []
    for meter in ("kl", "words"):
        points = []
        for stages in runs:
            ends = [one for one in stages if getattr(one, meter) is not None and one.forgotten is not None]
            if ends:
                points.append((getattr(ends[-1], meter), ends[-1].forgotten))
        if (one := _correlation(meter, np.asarray(points, dtype=float).reshape(-1, 2))) is not None:
            made.append(one)
    return made


def _correlation(meter: str, points_R2: np.ndarray) -> Correlation | None:
    count = len(points_R2)
    if count < FEWEST or (rho := spearman(points_R2[:, 0], points_R2[:, 1])) is None:
        return None
    rng = draw("drift and forgetting", meter, count)
    drawn = (points_R2[rng.integers(count, size=count)] for _ in range(DRAWS))
    again = [one for some in drawn if (one := spearman(some[:, 0], some[:, 1])) is not None]
    low, high = np.percentile(again, [2.5, 97.5])
    return Correlation(meter, count, rho, float(low), float(high))


def correlation_words(one: Correlation) -> str:
    """One line for people."""
    what = {"kl": "KL", "words": "the shift of words"}[one.meter]
    sure = "forgetting follows it" if one.low > 0 else "it is not shown that forgetting follows it"
    return f"{what} and forgetting over {one.runs} runs: rho {one.rho:+.2f} [{one.low:+.2f}, {one.high:+.2f}]; {sure}"
