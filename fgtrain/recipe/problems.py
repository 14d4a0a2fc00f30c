"""A mistake in a recipe: where it stands, what stands there, what to type instead."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fgtrain.errors import UserError

Key = tuple[str | int, ...]  # ("stages", "align", "mix")


@dataclass(frozen=True)
class Place:
    """Where a value was written: a file and its line, or the command line (line 0)."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" if self.line else self.file


@dataclass(frozen=True)
class Problem:
    key: Key
    text: str  # continues the sentence that the key begins
    place: Place | None = None

    def __str__(self) -> str:
        sentence = f"{dotted(self.key)} {self.text}".strip()
        return f"{self.place}: {sentence}" if self.place else sentence


Found = Iterator[tuple[Problem, list[Key]]]  # a problem, and the keys that it was concluded from


TWICE = "is named twice. Remove it"


def dotted(key: Key) -> str:
    return ".".join(str(part) for part in key)


def nearest(value: object, allowed: Iterable[str]) -> str | None:
    """The allowed word that `value` was probably meant to be."""
    words = list(allowed)
    by_case = {word.lower(): word for word in words}
    found = difflib.get_close_matches(str(value).lower(), by_case, n=1, cutoff=0.6)
    return by_case[found[0]] if found else None


def instead(value: object, allowed: Iterable[str]) -> str:
    """What to type instead: the nearest allowed word, or all of them."""
    words = list(allowed)
    if (word := nearest(value, words)) is not None:
        return f"Did you mean {word}?"
    return f"Known are: {', '.join(words)}." if words else "There are none."


def raise_problems(file: str, problems: list[Problem], what: str = "recipe") -> None:
    """Raise one UserError that lists all problems; return if there are none. `what`: the kind of file it is."""
    if not problems:
        return
    unique = list(dict.fromkeys(problems))
    files = list(dict.fromkeys(problem.place.file for problem in unique if problem.place))
    unique.sort(key=lambda p: (files.index(p.place.file), p.place.line) if p.place else (-1, 0))
    if len(unique) == 1:
        place = unique[0].place
        raise UserError(f"{what} {unique[0]}" if place and place.file == file else f"{what} {file}: {unique[0]}")
    lines = "".join(f"\n  - {problem}" for problem in unique)
    raise UserError(f"{what} {file} has {len(unique)} mistakes:{lines}")
