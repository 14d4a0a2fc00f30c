"""The names that a photo can be given: a run's own, or a file's; and what their likelihoods make of it.

A list holds the names of every level. A name of a coarser level ("gull") stands for itself, where the model would say
it, and for all names under it. Probabilities are shares of what all names of the list have together.

The name that is given is the finest that is more likely than all others of its level together, i.e. has more than half
of the list's probability: a species where one has, else its genus, and so on (hedging along the taxonomy: Deng et al.
2012, "Hedging your bets"). A level at which all categories are alike says nothing and is passed over. It is uncertain

* "half": where no name at any level has more than half;
* "list": where all names together are less likely than what else the model would say. Which one is the likeliest of
  them then says little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from data_builders.shared.text_files import open_text
from data_builders.sources.folder import plural
from data_builders.sources.folder import read_taxonomy as read_table
from data_builders.templates import Words, short_answer
from fgtrain.errors import UserError
from fgtrain.recipe.problems import instead
from fgtrain.runs.names import NameList

SHOWN = 5
HALF = 0.5
WHY = {
    "half": "no name, of any level, has more than half of the probability of all names",
    "list": "all names together are less likely than other answers",
}


@dataclass(frozen=True)
class Named:
    """What the names of a list make of a photo.

    `name`, `level`, `probability`: the finest name with more than half; empty, empty and that of the likeliest where it
    is uncertain, and `uncertain` is "half" or "list" then. `likeliest`: the five likeliest names, each with its level
    and its share. `listed`: the probability that the answer is any name of the list.
    """

    name: str
    level: str
    probability: float
    uncertain: str
    likeliest: tuple[tuple[str, str, float], ...]
    listed: float


class Names:
    """A list made ready to be weighed. `all`: its names, finest first, each once: what a model is asked to weigh."""

    def __init__(self, given: NameList) -> None:
        self.source, self.question, self.levels = given.source, given.question, given.levels
        # A name of several levels ("DC-6" of the family DC-6) is the finest's: that is asked for.
        self._way: dict[str, tuple[str, ...]] = {}
        for depth in range(len(given.levels), 0, -1):
            for labels in given.categories:
                self._way.setdefault(labels[depth - 1], labels[:depth])
        self._nodes = dict.fromkeys(
            labels[:depth] for labels in given.categories for depth in range(1, len(labels) + 1)
        )
        self.all = tuple(self._way)

    @cached_property
    def _telling(self) -> list[int]:
        """Depths at which categories differ, finest first."""
        count = {depth: sum(len(node) == depth for node in self._nodes) for depth in range(1, len(self.levels) + 1)}
        return [depth for depth in reversed(count) if count[depth] > 1]

    def named(self, log_p: Sequence[float]) -> Named:
        """`log_p`: ln of the probability of each of `all` as the whole answer."""
        log_p_N = np.asarray(log_p, dtype=np.float64)
        share_N = np.exp(log_p_N - log_p_N.max())
        share_N /= share_N.sum()
        own = dict(zip(self.all, share_N.tolist(), strict=True))
        listed = min(1.0, float(np.exp(log_p_N).sum()))
        first = sorted(self.all, key=own.__getitem__, reverse=True)[:SHOWN]
        likeliest = tuple((one, self.levels[len(self._way[one]) - 1], own[one]) for one in first)
        with_below = dict.fromkeys(self._nodes, 0.0)
        for name, way in self._way.items():
            for depth in range(1, len(way) + 1):
                with_below[way[:depth]] += own[name]
        best = [max((n for n in self._nodes if len(n) == d), key=with_below.__getitem__) for d in self._telling]
        sure = next((node for node in best if with_below[node] > HALF), None)
        why = "list" if listed < HALF else "half" if sure is None else ""
        if why:
            return Named("", "", likeliest[0][2], why, likeliest, listed)
        return Named(sure[-1], self.levels[len(sure) - 1], with_below[sure], "", likeliest, listed)


def chosen_names(lists: Sequence[NameList], wanted: str | None) -> NameList | None:
    """The list of a run's data set that is `wanted`, or its only one; None where it has none and none is wanted.
    UserError where there is no such list, or several."""
    known = {one.source: one for one in lists}
    if wanted in known:
        return known[wanted]
    if wanted is not None:
        there = f" {instead(wanted, known)}" if known else ""
        raise UserError(f"--names {wanted}: no such file, one name a line or a taxonomy (.csv).{there}")
    if len(lists) > 1:
        raise UserError(f"the run names {', '.join(known)}. Add --names {lists[0].source}, or ask a question")
    return lists[0] if lists else None


def names_of_file(path: Path) -> NameList:
    """From a taxonomy (.csv: category,level,level,... from fine to coarse), else one name a line. UserError for fewer
    than two names."""
    if path.suffix.lower() == ".csv":
        levels, entries = read_table(path)
        found = [(*one.parents.values(), one.name) for one in entries.values()]
    else:
        with open_text(path) as lines:
            levels, found = ("category",), [(name,) for name in dict.fromkeys(filter(None, map(str.strip, lines)))]
    if len(found) < 2:
        raise UserError(f"{path} holds {len(found)} names; a list needs two at least, one a line")
    rank = levels[-1]
    return NameList(str(path), short_answer(0, Words("object", rank, plural(rank))), tuple(levels), tuple(found))
