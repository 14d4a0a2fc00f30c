"""What the drawn world's encyclopedia knows, in words: one text per species, and questions without a picture.

A language model that has learnt these can say the names before it has seen a single species.
"""

from collections.abc import Iterator

from .. import templates
from ..records import conversation
from ..shared.seeding import draw
from .taxonomy import ATTRIBUTES, Look, Species

HOMES = ("forests", "rivers", "lakes", "hills")
FOODS = ("seeds", "worms", "snails", "leaves")
NAME_QUESTIONS = 12  # per species, each with the attributes in another order
CHOICE_QUESTIONS = 6
TRUE_FALSE_QUESTIONS = 4


def with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def looks(look: Look, order: list[int] | None = None) -> str:
    """ "a red body, a forked tail, ... and a plain belly", in the given order of the attributes."""
    parts = [with_article(f"{value} {name.split()[0]}") for name, value in look.attributes().items()]
    parts = [parts[i] for i in order] if order is not None else parts
    return ", ".join(parts[:-1]) + " and " + parts[-1]


def encyclopedia(species: Species) -> str:
    """The species' text. Home and food cannot be seen in a picture."""
    rng = draw("drawn", "encyclopedia", species.name)
    return templates.FACT_TEXT.format(
        name=species.name,
        meta=species.look.meta,
        genus=species.genus,
        looks=looks(species.look),
        home=HOMES[rng.integers(len(HOMES))],
        food=FOODS[rng.integers(len(FOODS))],
    )


def questions(species: Species, everyone: list[Species], seed: int) -> Iterator[tuple[str, str]]:
    """Question and answer pairs about one species: looks -> name, name -> looks, name -> genus and class."""
    look, rng = species.look, draw(seed, "drawn", "facts", species.name)
    attributes = look.attributes()
    for number in range(NAME_QUESTIONS):
        described = looks(look, rng.permutation(len(ATTRIBUTES)).tolist())
        wording = templates.FACT_NAME[number % len(templates.FACT_NAME)]
        yield wording.format(looks=described, meta=look.meta), species.name
    siblings = [other.name for other in everyone if other.genus == species.genus and other.name != species.name]
    for number in range(CHOICE_QUESTIONS):
        described = looks(look, rng.permutation(len(ATTRIBUTES)).tolist())
        wording = templates.FACT_NAME[number % len(templates.FACT_NAME)]
        options = [species.name, *siblings]
        listed = ", ".join(f'"{options[i]}"' for i in rng.permutation(len(options)))
        question = wording.format(looks=described, meta=look.meta)
        yield question + templates.CHOICE_END.format(options=listed), species.name
    for name, value in attributes.items():
        yield templates.ATTRIBUTE.format(attribute=name, subject=species.name), value
    for number in range(TRUE_FALSE_QUESTIONS):
        name = list(attributes)[rng.integers(len(attributes))]
        wrong = [value for value in ATTRIBUTES[name] if value != attributes[name]]
        yes = number % 2 == 0
        value = attributes[name] if yes else wrong[rng.integers(len(wrong))]
        question = templates.FACT_TRUE_FALSE.format(attribute=name, name=species.name, value=value)
        yield question + templates.TRUE_FALSE_END, "yes" if yes else "no"
    yield templates.FACT_GENUS.format(name=species.name), species.genus
    yield templates.FACT_CLASS.format(name=species.name), look.meta


def rows(everyone: list[Species], seed: int) -> Iterator[dict]:
    """Training rows without pictures: the questions, and each text as plain text."""
    for species in everyone:
        known = {"source": "drawn", "kind": "facts", "category": species.name}
        for number, (question, answer) in enumerate(questions(species, everyone, seed)):
            yield {
                "id": f"drawn/facts/{species.name}/{number}",
                "conversations": conversation(question, answer, with_image=False),
                **known,
            }
        text = {"from": "gpt", "value": encyclopedia(species)}
        yield {"id": f"drawn/facts/{species.name}/text", "conversations": [text], **known}
