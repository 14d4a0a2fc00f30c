"""What is known of the categories of all worlds, in words, as a training set without pictures.

A language model that has learnt it can say every name, and knows what tells a category from its siblings. No sentence
that is true in one world is false in another: names belong to one world, and each statement names its thing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ... import templates
from ...records import conversation
from ...shared.seeding import draw
from .. import encyclopedia
from ..taxonomy import ATTRIBUTES, all_species
from .domain import described
from .table import DOMAINS

NAME_QUESTIONS = 8  # per category, each with the attributes in another order
CHOICE_QUESTIONS = 4
VALUE_STATEMENTS = 4
NAME_STATEMENTS = 6
WORDINGS = templates.FACT_WORLD_NAME


@dataclass(frozen=True)
class Known:
    """A category of any world, as its facts are told."""

    source: str
    thing: str
    name: str
    parents: dict[str, str]  # rank as a word -> label
    look: dict[str, str]
    text: str
    group: str


def everything() -> list[Known]:
    """The categories of all worlds, the creatures first."""
    found = []
    for one in all_species():
        parents = {"class": one.look.meta, "genus": one.genus}
        text = encyclopedia.encyclopedia(one)
        found.append(Known("cub", one.look.meta, one.name, parents, one.look.attributes(), text, one.genus))
    for domain in DOMAINS.values():
        for one in domain.categories:
            found.append(
                Known(domain.source, domain.thing, one.name, one.parents, one.look, domain.text(one), one.group)
            )
    return found


def values_of(known: Known) -> dict[str, tuple[str, ...]]:
    return ATTRIBUTES if known.source == "cub" else DOMAINS[known.source].values


def questions(known: Known, siblings: list[Known], seed: int) -> Iterator[tuple[str, str]]:
    """Question and answer pairs about one category: looks -> name, name -> looks and levels, true or false."""
    rng = draw(seed, "drawn", "worlds", "facts", known.name)

    def shuffled() -> str:
        return described(known.look, rng.permutation(len(known.look)).tolist())

    for number in range(NAME_QUESTIONS):
        yield WORDINGS[number % len(WORDINGS)].format(thing=known.thing, looks=shuffled()), known.name
    for number in range(CHOICE_QUESTIONS):
        options = [known.name, *(one.name for one in siblings)]
        options = [options[place] for place in rng.permutation(len(options))]
        question = WORDINGS[number % len(WORDINGS)].format(thing=known.thing, looks=shuffled())
        yield question + templates.CHOICE_END.format(options=templates.quoted(options)), known.name
    for attribute, value in known.look.items():
        yield templates.ATTRIBUTE.format(attribute=attribute, subject=known.name), value
    for rank, label in known.parents.items():
        yield templates.FACT_RANK.format(rank=rank, name=known.name), label
    yield from statements(known, siblings, shuffled, rng)


def statements(known: Known, siblings: list[Known], shuffled, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Half of them true; a false one names another value, or a sibling."""
    values = values_of(known)
    for number in range(VALUE_STATEMENTS):
        attribute = list(known.look)[rng.integers(len(known.look))]
        right = known.look[attribute]
        wrong = [value for value in values[attribute] if value != right]
        value = right if number % 2 == 0 else wrong[rng.integers(len(wrong))]
        question = templates.FACT_TRUE_FALSE.format(attribute=attribute, name=known.name, value=value)
        yield question + templates.TRUE_FALSE_END, "yes" if value == right else "no"
    for number in range(NAME_STATEMENTS):
        name = known.name if number % 2 == 0 else siblings[rng.integers(len(siblings))].name
        question = templates.FACT_IS.format(thing=known.thing, looks=shuffled(), name=name)
        yield question + templates.TRUE_FALSE_END, "yes" if name == known.name else "no"


def rows(seed: int) -> Iterator[dict]:
    """Training rows without pictures: the questions, and each text as plain text."""
    everyone = everything()
    for known in everyone:
        siblings = [
            one for one in everyone if one.source == known.source and one.group == known.group and one is not known
        ]
        about = {"source": "drawn", "kind": "facts", "category": known.name}
        for number, (question, answer) in enumerate(questions(known, siblings, seed)):
            turns = conversation(question, answer, with_image=False)
            yield {"id": f"drawn/worlds/{known.name}/{number}", "conversations": turns, **about}
        text = [{"from": "gpt", "value": known.text}]
        yield {"id": f"drawn/worlds/{known.name}/text", "conversations": text, **about}
