"""One question of FG-BMK's kinds about one labelled image, with its wrong labels.

How wrong labels are drawn: siblings (labels under the same label of the level above) first, in a drawn order, then the
others in a drawn order; or any, each as likely. In FG-BMK's files of CUB and iNat2021 siblings come first, in those of
its other data sets any label may stand, although its paper says siblings of all. So in CUB's every true/false question
with a wrong label about a species that has siblings (the same last word) asks about a sibling; the 83 % of siblings in
that file is the share of images whose species has one. A name that holds the right one ("oat milk" for "milk") can be
kept away from the options while others are left: the released rule would take that answer for right. FG-BMK does not.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from .mined_negatives import MinedNegatives
from .options import split_commas
from .shared.errors import UserError
from .shared.seeding import Draws
from .sources import LabelledImage, Level, Source
from .templates import CHOICE, FINE_GRAINED, Words, choice, short_answer, true_false
from .wrong_labels import LabelPool

Kind = Literal["true_false", "choice", "short_answer"]
KINDS: tuple[str, ...] = get_args(Kind)
Kinds = Annotated[tuple[Kind, ...], BeforeValidator(split_commas), Field(min_length=1)]
OPTIONS = 4  # of a choice question as FG-BMK asks it, the right one among them
MOST_OPTIONS = 26
SINGULAR = ("inat2021",)  # FG-BMK asks "which of the following phylum"
CUT_OUT = ("mtarsi",)


def number_if_digits(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


# How many wordings of each kind are drawn from; on the command line a text.
WordingCount = Annotated[Literal[4, 10], BeforeValidator(number_if_digits)]


def plain(text: str) -> str:
    """As the released rule compares names: runs of `_`, `-` and `,` are a blank, lower case."""
    return re.sub(r"[_\-,]+", " ", text).lower().strip()


def question_words(source: Source, row: LabelledImage, level: Level) -> Words:
    """What fills a wording's places. The thing is an "object" where its own word would give the answer away."""
    meta = source.meta_word(row, level)
    if f" {plain(source.label(row, level))} " in f" {plain(meta)} ":
        meta = "object"
    singular = level.rank == FINE_GRAINED or source.name in SINGULAR
    return Words(meta, level.rank, level.rank if singular else level.plural, source.name in CUT_OUT)


@dataclass(frozen=True)
class Asker:
    """Asks about the images of one split. Every draw is addressed by (seed, purpose, kind, level, image).

    `more_labels` are label rows (level -> label, with the levels above it where known) beside those that images bear:
    wrong answers come from all. `wordings`: the first 4 are FG-BMK's, up to 10. `siblings_first` and `apart`: how wrong
    labels are drawn (above). `options`: of a choice question; `mined`: at its level, the wrong labels of a choice are
    the hardest of the file, in a drawn order, and those of true/false questions are among them.
    """

    source: Source
    split: str
    seed: int
    purpose: str
    wordings: int = len(CHOICE)
    more_labels: tuple[dict[str, str], ...] = ()
    siblings_first: bool = True
    apart: bool = True
    options: int = OPTIONS
    mined: MinedNegatives | None = None
    _pools: dict[str, LabelPool] = field(default_factory=dict, init=False, repr=False)
    _words: dict = field(default_factory=dict, init=False, repr=False)
    _plain: dict = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def _above(self) -> dict[str, str | None]:
        names = [level.name for level in self.source.levels]
        return dict(zip(names, [None, *names[:-1]], strict=True))

    @cached_property
    def rows(self) -> list[LabelledImage]:
        """The split's images."""
        return self.source.split(self.split)

    def _labels(self, level: Level) -> LabelPool:
        if level.name not in self._pools:
            self._pools[level.name] = self.pool(level, self._above[level.name])
        return self._pools[level.name]

    def pool(self, level: Level, above: str | None) -> LabelPool:
        """The level's labels, those with the same label at the level `above` being siblings."""
        images = self.source.images
        if self._several(level):
            labels: Iterable = ((label, None) for row in images for label in row.labels)
        elif level is self.source.finest:
            labels = ((row.category, row.parents.get(above)) for row in images)
        else:
            labels = ((row.parents[level.name], row.parents.get(above)) for row in images)
        known = dict.fromkeys(labels)
        known |= dict.fromkeys((row[level.name], row.get(above)) for row in self.more_labels if level.name in row)
        have = {label for label, _ in known}
        return LabelPool([*known, *((label, None) for label in level.outside if label not in have)])

    def _several(self, level: Level) -> bool:
        return self.source.multi_label and level is self.source.finest

    def too_few(self, kind: str, level: Level) -> str:
        """Why the level has too few labels for that kind; empty when it has enough."""
        least = {"true_false": 2, "choice": self.options, "short_answer": 1}[kind]
        have = self._labels(level).labels
        if len(have) >= least:
            return ""
        return (
            f"{kind} questions at level {level.name} need {least} labels; {self.source.name} has {len(have)} "
            f"({', '.join(have)})"
        )

    def check(self, kind: str, level: Level) -> None:
        """Raise UserError when the level has too few labels for that kind."""
        if reason := self.too_few(kind, level):
            raise UserError(f"{reason}. Leave the kind or the level out: kinds, levels.")
        if kind == "choice" and (odd := [label for label in self._labels(level).labels if '"' in label]):
            raise UserError(
                f"{self.source.name}: {odd[0]} has a double quote, and those part the options of a choice; rename it"
            )

    def walk(self, levels: Collection[Level], kept: Collection[str] | None) -> Iterator[tuple[LabelledImage, dict]]:
        """The split's images, of which `kept` names those wanted (None: all), each with its place at every level
        among the images of the same label: `ask` wants that place."""
        seen: dict[tuple[str, str], int] = {}
        for row in self.rows:
            places = {}
            for level in levels:
                key = level.name, self._coin(row, level)
                places[level.name] = seen[key] = seen.get(key, -1) + 1
            if kept is None or row.image in kept:
                yield row, places

    def words(self, row: LabelledImage, level: Level) -> Words:
        # A handful of words for a million questions.
        key = level.name, row.parents.get(self.source.meta), self.source.label(row, level)
        if key not in self._words:
            self._words[key] = question_words(self.source, row, level)
        return self._words[key]

    def ask(
        self, kind: str, row: LabelledImage, level: Level, place: int, number: int = 0, of: int = 1
    ) -> tuple[str, str]:
        """(question, answer): the `number`-th of `of` questions of this kind and level about the image, which is the
        `place`-th with its label. Of two or more true/false questions some are yes and some no."""
        which = self.wording(kind, level, row, number)
        words = self.words(row, level)
        if kind == "short_answer":
            return short_answer(which, words), self.source.label(row, level)
        if kind == "choice":
            options, right = self.options_of(row, level, number)
            return choice(which, words, options), right
        yes, label = self._statement(row, level, place, number, of)
        return true_false(which, words, label), "yes" if yes else "no"

    def wording(self, kind: str, level: Level, row: LabelledImage, number: int) -> int:
        draws = Draws(self.seed, self.purpose, kind, level.name, row.image)
        return next(islice(draws.order(self.wordings), number % self.wordings, None))

    def wrong_labels(self, row: LabelledImage, level: Level, *address: object) -> Iterator[str]:
        draws = Draws(self.seed, self.purpose, level.name, row.image, "wrong", *address)
        pool = self._labels(level)
        if self._several(level):
            return pool.not_among(row.labels, draws)
        right = self.source.label(row, level)
        if self.mined is not None and self.mined.level in (level.name, level.published):
            labels, needed = set(self._labels(level).labels), self.options - 1
            return self.mined.hardest(right, labels, self.source.aliases, needed, draws)
        if not self.siblings_first:
            return pool.not_among((right,), draws)
        return pool.others(right, row.parents.get(self._above[level.name]), draws)

    def check_mined(self, levels: Iterable[Level]) -> None:
        """UserError: the file of wrong names is of a level that is not asked about, or of no single one."""
        if self.mined is None:
            return
        asked = [level for level in levels if self.mined.level in (level.name, level.published)]
        if not asked:
            names = ", ".join(level.name for level in levels)
            raise UserError(f"{self.mined.path} has names of level {self.mined.level}, and asked is about {names}")
        if any(map(self._several, asked)):
            raise UserError(
                f"negatives: pictures of {self.source.name} bear several labels, and mined names are for one"
            )

    def options_of(self, row: LabelledImage, level: Level, number: int) -> tuple[list[str], str]:
        draws = Draws(self.seed, self.purpose, "options", level.name, row.image, number)
        right = self.source.label(row, level)
        if self._several(level):
            if not row.labels:
                raise UserError(f"{row.image} bears no label, so no option is right: write --kinds true_false")
            right = row.labels[draws.below(len(row.labels))]
        holds, kept, held = self._as_plain(right), [], []
        for other in self.wrong_labels(row, level, "choice", number):
            (held if self.apart and holds in self._as_plain(other) else kept).append(other)
            if len(kept) == self.options - 1:
                break
        options = [*kept, *held][: self.options - 1]
        if len(options) < self.options - 1:
            raise UserError(
                f"{row.image}: only {len(options)} labels of level {level.name} are wrong for it, and a choice "
                f"question needs {self.options - 1}. Leave the kind or the level out: kinds, levels."
            )
        options.insert(draws.below(self.options), right)
        return options, right

    def _as_plain(self, label: str) -> str:
        if label not in self._plain:
            self._plain[label] = plain(label)
        return self._plain[label]

    def _statement(self, row: LabelledImage, level: Level, place: int, number: int, of: int) -> tuple[bool, str]:
        """(is it true, the label that is asked about)."""
        coin = self._coin(row, level)
        yes = self._is_yes(coin, level, place * of + number)
        before = [self._is_yes(coin, level, place * of + one) for one in range(number)].count(yes)
        right = row.labels if self._several(level) else (self.source.label(row, level),)
        if not yes or not right:
            # The second no about an image asks about another wrong label than the first, while there are any.
            wrong = list(islice(self.wrong_labels(row, level, "true_false"), before + 1))
            if wrong:
                return False, wrong[min(before, len(wrong) - 1)]
        if len(right) == 1:
            return True, right[0]
        order = list(Draws(self.seed, self.purpose, "right", level.name, row.image).order(len(right)))
        return True, right[order[before % len(order)]]

    def _coin(self, row: LabelledImage, level: Level) -> str:
        """Images with the same text share their coins: those of one label, or all where images bear several."""
        return "" if self._several(level) else self.source.label(row, level)

    def _is_yes(self, coin: str, level: Level, place: int) -> bool:
        # Of every two questions about a label one is yes: a coin per pair keeps each label balanced, not just the file.
        first = bool(Draws(self.seed, self.purpose, "true_false", level.name, coin, place // 2).below(2))
        return first if place % 2 == 0 else not first
