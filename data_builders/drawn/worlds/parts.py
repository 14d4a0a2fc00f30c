"""`drawn --source worlds`: what all worlds have in common to learn before any category is learnt from pictures.

<out>/parts/<source>/images/       pictures of no category: any values of the attributes of that source's domain
<out>/parts/<source>/train/        a training set: which value an attribute has
<out>/parts/<source>/true_false/   a training set of the same pictures: has the attribute that value? Half of them yes
<out>/parts/cub/images/            creatures of no species
<out>/parts/cub/fgbmk/             a training set: their attributes as FG-BMK asks about CUB's, yes or no and choice
<out>/facts/                       a training set without pictures: every category of every world, in words
<out>/texts/<source>/<category>.txt    the encyclopedia of all worlds, as open_world and frow read it
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ... import templates
from ...builder_code import builder_code
from ...records import independent_turns, write_training_set
from ...shared.files import write_bytes
from ...shared.progress import progress
from ...shared.seeding import draw
from .. import creatures
from ..canvas import jpeg
from ..pose import photographed
from ..skills import some
from ..taxonomy import ATTRIBUTES
from ..world import DrawnOptions
from . import facts
from .domain import Domain
from .table import DOMAINS

TURNS = 3  # questions a picture carries in each of the two sets
Turns = list[tuple[str, str]]


def write(out: Path, options: DrawnOptions) -> None:
    shown = {"cub": creature_picture, **{source: partial(picture, domain) for source, domain in DOMAINS.items()}}
    with progress("drawing parts", "pictures", len(shown) * options.general_train) as advance:
        for source, drawn in shown.items():
            for number in range(options.general_train):
                path = out / "parts" / source / image(number)
                if not path.exists():
                    write_bytes(path, jpeg(drawn(number, options.seed, options.pixels)))
                advance(1)
    training_set(out / "parts/cub", "fgbmk", of_pictures("cub", "fgbmk", creature_questions, options), options)
    for source, domain in DOMAINS.items():
        for name, asked in (("train", values), ("true_false", statements)):
            rows = of_pictures(source, asked.__name__, partial(asked, domain), options)
            training_set(out / "parts" / source, name, rows, options)
    training_set(out, "facts", facts.rows(options.seed), options)
    for known in facts.everything():
        write_bytes(out / "texts" / known.source / f"{known.name}.txt", f"{known.text}\n".encode())


def training_set(folder: Path, name: str, rows: Iterator[dict], options: DrawnOptions) -> None:
    write_training_set(
        folder / name,
        rows,
        name=name,
        builder="drawn",
        code=builder_code("drawn"),
        image_root=folder,
        sources=["drawn"],
        splits=["train"],
        options=options.identity(),
    )


def image(number: int) -> str:
    """Relative to parts/<source>."""
    return f"images/{number:06}.jpg"


def picture(domain: Domain, number: int, seed: int, pixels: int):
    look = domain.random_look(draw(seed, "drawn", "parts", domain.source, number))
    rng = draw(seed, "drawn", "parts", domain.source, number, "picture")
    return photographed(lambda canvas: domain.paint(canvas, look), rng, pixels).image


def values(domain: Domain, number: int, seed: int) -> Turns:
    """Attribute questions about a picture, with their answers."""
    look = domain.random_look(draw(seed, "drawn", "parts", domain.source, number))
    asked = some(tuple(look), TURNS, draw(seed, "drawn", "parts", domain.source, number, "values"))
    return [(templates.ATTRIBUTE.format(attribute=one, subject=domain.thing), look[one]) for one in asked]


def statements(domain: Domain, number: int, seed: int) -> Turns:
    """True/false questions about a picture's attributes: yes and no in turn, over the pictures."""
    look = domain.random_look(draw(seed, "drawn", "parts", domain.source, number))
    rng = draw(seed, "drawn", "parts", domain.source, number, "statements")
    turns = []
    for turn, attribute in enumerate(some(tuple(look), TURNS, rng)):
        wrong = [value for value in domain.values[attribute] if value != look[attribute]]
        yes = (number * TURNS + turn) % 2 == 0
        value = look[attribute] if yes else wrong[rng.integers(len(wrong))]
        wording = templates.ATTRIBUTE_TRUE_FALSE[rng.integers(len(templates.ATTRIBUTE_TRUE_FALSE))]
        question = wording.format(attribute=attribute, subject=domain.thing, value=value)
        turns.append((question + templates.TRUE_FALSE_END, "yes" if yes else "no"))
    return turns


def creature(number: int, seed: int) -> creatures.Look:
    return creatures.random_look(draw(seed, "drawn", "parts", "cub", number))


def creature_picture(number: int, seed: int, pixels: int):
    rng = draw(seed, "drawn", "parts", "cub", number, "picture")
    return creatures.draw_creature(creature(number, seed), rng, pixels).image


def creature_questions(number: int, seed: int) -> Turns:
    """To the letter as `fgbmk` asks about CUB's attributes: true or false and choice in turn, over the pictures; of two
    true/false questions one is true."""
    look = creature(number, seed)
    rng, right = draw(seed, "drawn", "parts", "cub", number, "fgbmk"), look.attributes()
    turns = []
    for turn, attribute in enumerate(some(tuple(right), TURNS, rng), number * TURNS):
        value = right[attribute]
        if turn % 2:
            question = templates.attribute_choice(0, attribute, look.meta, ATTRIBUTES[attribute])
            turns.append((question, value))
            continue
        wrong = [other for other in ATTRIBUTES[attribute] if other != value]
        yes = turn % 4 == 0
        asked = value if yes else wrong[rng.integers(len(wrong))]
        turns.append((templates.attribute_true_false(0, attribute, look.meta, asked), "yes" if yes else "no"))
    return turns


def of_pictures(source: str, kind: str, asked: Callable[[int, int], Turns], options: DrawnOptions) -> Iterator[dict]:
    """`asked(number, seed)` gives the questions about a picture."""
    for number in range(options.general_train):
        yield {
            "id": f"drawn/parts/{source}/{kind}/{number}",
            "image": image(number),
            "turns": "independent",
            "conversations": independent_turns(asked(number, options.seed)),
            "source": "drawn",
            "kind": "parts",
            "category": source,
        }
