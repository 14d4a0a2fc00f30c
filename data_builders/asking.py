"""One question of FG-BMK's kinds about one labelled image, with its wrong labels."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from .chance import draw
from .errors import UserError
from .sources import LabelledImage, Level, Source
from .templates import CHOICE, SHORT_ANSWER, TRUE_FALSE, Words, choice, short_answer, true_false

Kind = Literal["true_false", "choice", "short_answer"]
KINDS: tuple[str, ...] = get_args(Kind)
OPTIONS = 4  # of a choice question, the right one among them


@dataclass(frozen=True)
class Asker:
    """Asks about the images of one split. Every draw is addressed by (seed, purpose, kind, level, image)."""

    source: Source
    split: str
    seed: int
    purpose: str

    @cached_property
    def _ordinals(self) -> dict[tuple[str, str], int]:
        """(level, image) -> the image's place among those with the same label."""
        ordinals, seen = {}, {}
        for row in self.source.split(self.split):
            for level in self.source.levels:
                key = (level.name, self.source.label(row, level))
                ordinals[level.name, row.image] = seen.get(key, 0)
                seen[key] = seen.get(key, 0) + 1
        return ordinals

    @cached_property
    def _labels(self) -> dict[str, list[str]]:
        return {level.name: self.source.labels(level) for level in self.source.levels}

    def check(self, kind: str, level: Level) -> None:
        """Raise UserError when the level has too few labels for that kind."""
        least = {"true_false": 2, "choice": OPTIONS, "short_answer": 1}[kind]
        have = self._labels[level.name]
        if len(have) < least:
            raise UserError(
                f"{kind} questions at level {level.name} need {least} labels; {self.source.name} has {len(have)} "
                f"({', '.join(have)}). Leave the kind or the level out: kinds, levels."
            )

    def words(self, row: LabelledImage, level: Level) -> Words:
        return Words(self.source.meta_word(row, level), level.rank, level.plural)

    def wrong_labels(self, row: LabelledImage, level: Level, kind: str) -> list[str]:
        """All other labels in a drawn order, siblings under the same parent first."""
        label = self.source.label(row, level)
        siblings = self.source.siblings(level, label)
        known = {label, *siblings}
        rest = [other for other in self._labels[level.name] if other not in known]
        rng = draw(self.seed, self.purpose, kind, level.name, row.image, "wrong")
        return [group[i] for group in (siblings, rest) for i in rng.permutation(len(group))]

    def ask(self, kind: str, row: LabelledImage, level: Level, number: int = 0, of: int = 1) -> tuple[str, str]:
        """(question, answer): the `number`-th of `of` questions of this kind and level about the image."""
        rng = draw(self.seed, self.purpose, kind, level.name, row.image)
        label, words = self.source.label(row, level), self.words(row, level)
        if kind == "short_answer":
            which = rng.permutation(len(SHORT_ANSWER))
            return short_answer(int(which[number % len(which)]), words), label
        wrong = self.wrong_labels(row, level, kind)
        if kind == "true_false":
            which = rng.permutation(len(TRUE_FALSE))[number % len(TRUE_FALSE)]
            yes = self._is_yes(label, level, self._ordinals[level.name, row.image] * of + number)
            return true_false(int(which), words, label if yes else wrong[number % len(wrong)]), "yes" if yes else "no"
        which = rng.permutation(len(CHOICE))[number % len(CHOICE)]
        # Last what holds the right name ("milk" in "oat milk"): FG-BMK's rule would take the wrong answer for right.
        wrong.sort(key=lambda other: label in other)
        options = [label, *wrong[: OPTIONS - 1]]
        order = draw(self.seed, self.purpose, kind, level.name, row.image, "order", number).permutation(OPTIONS)
        return choice(int(which), words, [options[i] for i in order]), label

    def _is_yes(self, label: str, level: Level, place: int) -> bool:
        # Of every two questions about a label one is yes: a coin per pair keeps each label balanced, not just the file.
        first = bool(draw(self.seed, self.purpose, "true_false", level.name, label, place // 2).integers(2))
        return first if place % 2 == 0 else not first
