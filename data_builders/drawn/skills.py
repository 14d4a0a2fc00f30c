"""General skills as drawn pictures with questions: counting, presence (as POPE), reading digits (DocVQA), reading a
bar (ChartQA), attributes of creatures.

`make(kind, split, number, seed)` says what one picture shows, what a training row asks about it, and the test
question; `paint` draws it. The two have separate draws, so questions are written without drawing anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..shared.seeding import draw
from ..templates import ATTRIBUTE, BAR, COUNT, COUNT_OF, DIGIT, NUMBER, PRESENCE
from .canvas import Canvas, Points, box, ellipse, polygon, star
from .creatures import draw_creature, random_look
from .pose import background
from .taxonomy import ATTRIBUTES, COLORS

SHAPES = ("circle", "square", "triangle", "star")
TURNS = 3  # questions a training picture carries
MOST_SHAPES, MOST_VALUE = 6, 9


@dataclass(frozen=True)
class Asked:
    question: str
    answer: str
    category: str


Painter = Callable[[np.random.Generator, int], Image.Image]  # (draws, pixels) -> the picture


@dataclass(frozen=True)
class Example:
    painter: Painter
    train: list[Asked]
    test: Asked
    # What a picture shows, where pictures that show the same look the same but for noise: kept out of the test
    content: tuple | None = None


def shape_points(shape: str, x: float, y: float, radius: float) -> Points:
    if shape == "circle":
        return ellipse(x, y, radius, radius)
    if shape == "square":
        return box(x - radius * 0.88, y - radius * 0.88, x + radius * 0.88, y + radius * 0.88)
    if shape == "triangle":
        return polygon((x, y - radius), (x + radius, y + radius * 0.8), (x - radius, y + radius * 0.8))
    return star(x, y, radius * 1.15)


def draw_shapes(
    objects: list[tuple[str, str]], cells: int, radius: float, rng: np.random.Generator, pixels: int
) -> Image.Image:
    """(colour, shape) pairs in drawn cells of a grid, each shifted within its cell."""
    canvas = Canvas(pixels, *background(rng))
    width = 1 / cells
    for cell, (color, shape) in zip(rng.permutation(cells * cells)[: len(objects)], objects, strict=True):
        size = radius * rng.uniform(0.85, 1.1)
        room = max(0.0, width / 2 - size * 1.1)
        x, y = (np.array([cell % cells, cell // cells]) + 0.5) * width - 0.5 + rng.uniform(-room, room, 2)
        canvas.fill(shape_points(shape, x, y, size), COLORS[color])
    return canvas.finish(rng, noise=6.0)


def some(values: tuple[str, ...], count: int, rng: np.random.Generator) -> list[str]:
    return [values[i] for i in rng.permutation(len(values))[:count]]


def count(rng: np.random.Generator, number: int) -> Example:
    """One to six shapes, each total equally often."""
    total = 1 + number % MOST_SHAPES
    colors = tuple(COLORS)
    objects = [(colors[rng.integers(len(colors))], SHAPES[rng.integers(len(SHAPES))]) for _ in range(total)]
    asked = [Asked(COUNT, str(total), "count")]
    for shape in some(SHAPES, TURNS - 1, rng):
        asked.append(Asked(COUNT_OF.format(shape=shape), str(sum(kind == shape for _, kind in objects)), "count"))
    return Example(partial(draw_shapes, objects, 3, 0.125), asked, asked[0])


def presence(rng: np.random.Generator, number: int) -> Example:
    """One to three shapes; half the questions are about one that is there. Half the absent ones share colour or shape
    with one that is there, as in POPE's adversarial split."""
    pairs = tuple((color, shape) for color in COLORS for shape in SHAPES)
    objects = some(pairs, int(rng.integers(1, 4)), rng)
    absent = [pair for pair in pairs if pair not in objects]
    near = [pair for pair in absent if any((pair[0] == c) != (pair[1] == s) for c, s in objects)]
    asked = []
    for turn in range(TURNS):
        yes = (number * TURNS + turn) % 2 == 0
        among = objects if yes else near if rng.integers(2) else absent
        color, shape = among[rng.integers(len(among))]
        article = "an" if color[0] in "aeiou" else "a"
        question = PRESENCE.format(article=article, color=color, shape=shape)
        asked.append(Asked(question, "yes" if yes else "no", "presence"))
    # The test asks one question a picture, so its answers alternate with the number of the picture.
    test = asked[0]
    return Example(partial(draw_shapes, objects, 2, 0.19), list({one.question: one for one in asked}.values()), test)


@cache
def glyph(digit: int, size: int) -> Image.Image:
    """A digit as a mask, in the font that comes with the imaging library."""
    mask = Image.new("L", (size, round(size * 1.2)))
    ImageDraw.Draw(mask).text((size / 2, size * 0.6), str(digit), 255, ImageFont.load_default(size), anchor="mm")
    return mask


def document(rng: np.random.Generator, number: int) -> Example:
    """Two digits in dark ink on pale paper."""
    first, second = int(rng.integers(10)), int(rng.integers(10))
    asked = [
        Asked(NUMBER, f"{first} {second}", "document"),
        Asked(DIGIT.format(place="first"), str(first), "document"),
        Asked(DIGIT.format(place="second"), str(second), "document"),
    ]
    return Example(partial(draw_digits, first, second), asked, asked[0])


def draw_digits(first: int, second: int, rng: np.random.Generator, pixels: int) -> Image.Image:
    paper = rng.uniform(175, 255, 3)
    canvas = Canvas(pixels, paper, np.clip(paper + rng.uniform(-20, 20, 3), 0, 255))
    ink = COLORS[("black", "red", "blue")[rng.integers(3)]]
    size = round(canvas.side * rng.uniform(0.42, 0.54))
    x, y = canvas.side * (0.5 + rng.uniform(-0.07, 0.07, 2))
    for digit, side in ((first, -1), (second, 1)):
        mask = glyph(digit, size)
        place = round(x + side * size * 0.4 - mask.width / 2), round(y - mask.height / 2)
        canvas.image.paste(ink, (*place, place[0] + mask.width, place[1] + mask.height), mask)
    return canvas.finish(rng, noise=6.0)


def chart(rng: np.random.Generator, number: int) -> Example:
    """Two to four bars of different colours and values 1 to 9."""
    colors = some(tuple(color for color in COLORS if color != "white"), int(rng.integers(2, 5)), rng)
    values = rng.integers(1, MOST_VALUE + 1, len(colors)).tolist()
    asked = [Asked(BAR.format(color=colors[i]), str(values[i]), "chart") for i in rng.permutation(len(colors))[:TURNS]]
    return Example(partial(draw_bars, colors, values), asked, asked[0], content=(*colors, *values))


def draw_bars(colors: list[str], values: list[int], rng: np.random.Generator, pixels: int) -> Image.Image:
    """Bars on white, with a line at each value."""
    white = np.full(3, 252.0)
    canvas = Canvas(pixels, white, white)
    unit, floor, left, right = 0.1, 0.45, -0.42, 0.48
    for line in range(MOST_VALUE + 1):
        height = floor - line * unit
        canvas.fill(box(left, height, right, height + 0.004), (205, 205, 205), outline=False)
    width = (right - left - 0.02) / len(colors)
    for place, (color, value) in enumerate(zip(colors, values, strict=True)):
        x, half = left + 0.02 + width * (place + 0.5), width * 0.32
        canvas.fill(box(x - half, floor - unit * value, x + half, floor), COLORS[color], outline=False)
    canvas.fill(box(left - 0.012, -0.48, left, floor), (60, 60, 60), outline=False)
    canvas.fill(box(left, floor, right, floor + 0.012), (60, 60, 60), outline=False)
    return canvas.finish(rng, noise=4.0)


def attribute(rng: np.random.Generator, number: int) -> Example:
    """A creature of no species: any combination of attributes."""
    look = random_look(rng)
    names, values = tuple(ATTRIBUTES), look.attributes()

    def about(name: str) -> Asked:
        return Asked(ATTRIBUTE.format(attribute=name, subject=look.meta), values[name], name)

    def picture(rng: np.random.Generator, pixels: int) -> Image.Image:
        return draw_creature(look, rng, pixels).image

    return Example(picture, [about(name) for name in some(names, TURNS, rng)], about(names[number % len(names)]))


KINDS: dict[str, Callable[[np.random.Generator, int], Example]] = {
    "attribute": attribute,
    "count": count,
    "presence": presence,
    "document": document,
    "chart": chart,
}


def make(kind: str, split: str, number: int, seed: int, training: int = 0) -> Example:
    """The `number`-th example of a kind and split, in a world with `training` training pictures of each kind."""
    found = KINDS[kind](draw(seed, "drawn", kind, split, number), number)
    again = 0
    while split == "test" and found.content is not None and found.content in contents(kind, seed, training):
        again += 1
        found = KINDS[kind](draw(seed, "drawn", kind, split, number, "again", again), number)
    return found


@cache
def contents(kind: str, seed: int, training: int) -> frozenset[tuple]:
    """What the training pictures of a kind show."""
    return frozenset(make(kind, "train", number, seed).content for number in range(training))


def paint(kind: str, split: str, number: int, seed: int, pixels: int, training: int = 0) -> Image.Image:
    """That example's picture: the same bytes whenever and wherever it is drawn."""
    example = make(kind, split, number, seed, training)
    return example.painter(draw(seed, "drawn", kind, split, number, "picture"), pixels)
