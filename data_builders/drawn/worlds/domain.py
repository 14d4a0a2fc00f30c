"""A drawn domain: what one source's pictures are of. Its parts, its categories, how they are painted and described.

A category is a name, its place in the source's levels, and a look: a value for each of the domain's attributes, all of
which can be seen. Members of one group share the attributes that the group fixes and differ in one or two of the rest.
Nothing here depends on a seed but the pictures, so that a model that knows the names knows them in every drawn world.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

from ...shared.seeding import draw
from ..canvas import Canvas
from ..pose import Drawing, photographed

Look = dict[str, str]  # attribute -> value


@dataclass(frozen=True)
class Category:
    name: str  # as the source spells it
    parents: dict[str, str]  # level -> label, coarse to fine; empty where the source has one level
    group: str  # of the categories that share a look but for one or two parts
    look: Look

    def attributes(self) -> Look:
        return self.look


@dataclass(frozen=True)
class Domain:
    source: str
    thing: str  # what its texts call one: "aircraft"
    values: dict[str, tuple[str, ...]]  # attribute ("wing place") -> its values; the first word is the part
    categories: tuple[Category, ...]
    paint: Callable[[Canvas, Look], None]  # facing right, about one unit long
    kin: str  # a sentence of parents: "The {name} is an aircraft of the family {family}."
    lore: str  # sentences of what cannot be seen: "It is used for {work}."
    unseen: dict[str, tuple[str, ...]]  # what fills them

    def draw(self, category: Category, rng: np.random.Generator, pixels: int) -> Drawing:
        return photographed(lambda canvas: self.paint(canvas, category.look), rng, pixels)

    def text(self, category: Category) -> str:
        """The encyclopedia's text."""
        rng = draw("drawn", "encyclopedia", category.name)
        lore = {name: values[rng.integers(len(values))] for name, values in self.unseen.items()}
        kin = self.kin.format(name=category.name, thing=self.thing, **category.parents)
        return f"{kin} It has {described(category.look)}. {self.lore.format(**lore, **category.parents)}"

    def random_look(self, rng: np.random.Generator) -> Look:
        """Any combination of values."""
        return {name: values[rng.integers(len(values))] for name, values in self.values.items()}


def with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def phrase(attribute: str, value: str) -> str:
    """ "a high wing", "five petals"."""
    part, _, what = attribute.partition(" ")
    return f"{value} {part}s" if what == "count" else with_article(f"{value} {part}")


def described(look: Look, order: Iterable[int] | None = None) -> str:
    """ "a red body, a high wing and a blue stripe", in the given order of the attributes."""
    parts = [phrase(name, value) for name, value in look.items()]
    parts = parts if order is None else [parts[place] for place in order]
    return ", ".join(parts[:-1]) + " and " + parts[-1]


def looks(values: dict[str, tuple[str, ...]], fixed: str, *varied: tuple[str, str]) -> list[Look]:
    """The looks of a group of four: `fixed` gives the values of the attributes that are not varied, in order; two
    attributes are varied, each over the two values given."""
    given = dict(varied)
    rest = iter(fixed.split())
    shared = {name: None if name in given else next(rest) for name in values}
    assert next(rest, None) is None, fixed
    pairs = product(*([(name, value) for value in two.split()] for name, two in varied))
    found = [shared | dict(pair) for pair in pairs]
    assert all(look[name] in values[name] for look in found for name in values), fixed
    return found
