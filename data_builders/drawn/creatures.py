"""A creature's picture from its look."""

import numpy as np

from .canvas import Canvas, box, ellipse, polygon
from .pose import Drawing, photographed
from .taxonomy import BELLIES, BILLS, COLORS, TAILS, Look

LEG = (120, 92, 70)
EYE = (255, 255, 255)
PUPIL = (10, 10, 10)


def random_look(rng: np.random.Generator) -> Look:
    """Any combination in which crown and wing can be told from the body."""
    colors = list(COLORS)
    body = colors[rng.integers(len(colors))]
    others = [color for color in colors if color != body]
    return Look(
        meta=("bird", "fish")[rng.integers(2)],
        body=body,
        crown=others[rng.integers(len(others))],
        wing=others[rng.integers(len(others))],
        tail=TAILS[rng.integers(len(TAILS))],
        bill=BILLS[rng.integers(len(BILLS))],
        belly=BELLIES[rng.integers(len(BELLIES))],
    )


def draw_creature(look: Look, rng: np.random.Generator, pixels: int) -> Drawing:
    paint = draw_bird if look.meta == "bird" else draw_fish
    return photographed(lambda canvas: paint(canvas, look), rng, pixels)


def draw_bird(canvas: Canvas, look: Look) -> None:
    """Faces right; about one unit long."""
    body, crown, wing = COLORS[look.body], COLORS[look.crown], COLORS[look.wing]
    for x in (-0.05, 0.07):
        canvas.fill(box(x, 0.16, x + 0.035, 0.36), LEG, outline=False)
    draw_tail(canvas, look.tail, body, x=-0.2, y=0.02)
    bill = 0.08 if look.bill == "short" else 0.19
    canvas.fill(polygon((0.32, -0.2), (0.34 + bill, -0.15), (0.32, -0.1)), (206, 160, 90))
    canvas.fill(ellipse(-0.02, 0.04, 0.25, 0.175), body)
    canvas.fill(ellipse(0.23, -0.15, 0.12, 0.12), body)
    canvas.fill(ellipse(0.225, -0.17, 0.14, 0.15, 180, 360), crown)
    canvas.fill(ellipse(0.285, -0.135, 0.022, 0.022), EYE)
    canvas.fill(ellipse(-0.07, -0.02, 0.165, 0.09), wing)
    draw_belly(canvas, look, x=-0.02, y=0.145)


def draw_fish(canvas: Canvas, look: Look) -> None:
    """Faces right; the back fin is its crown and the side fin its wing."""
    body, crown, wing = COLORS[look.body], COLORS[look.crown], COLORS[look.wing]
    draw_tail(canvas, look.tail, body, x=-0.22, y=0.04)
    bill = 0.08 if look.bill == "short" else 0.19
    canvas.fill(polygon((0.24, -0.04), (0.27 + bill, 0.03), (0.24, 0.1)), (206, 160, 90))
    canvas.fill(polygon((-0.15, -0.09), (0.02, -0.36), (0.17, -0.09)), crown)
    canvas.fill(ellipse(0.0, 0.03, 0.28, 0.185), body)
    canvas.fill(ellipse(0.2, -0.03, 0.03, 0.03), EYE)
    canvas.fill(ellipse(0.205, -0.03, 0.012, 0.012), PUPIL, outline=False)
    canvas.fill(polygon((0.1, -0.03), (-0.16, -0.12), (-0.16, 0.07)), wing)
    draw_belly(canvas, look, x=0.0, y=0.145)


def draw_tail(canvas: Canvas, tail: str, color: tuple[int, int, int], x: float, y: float) -> None:
    """Grows to the left from (x, y)."""
    if tail == "forked":
        fork = polygon((x, y - 0.04), (x - 0.27, y - 0.18), (x - 0.16, y), (x - 0.27, y + 0.18), (x, y + 0.06))
        canvas.fill(fork, color)
    elif tail == "round":
        canvas.fill(ellipse(x - 0.12, y, 0.125, 0.125), color)
    else:
        canvas.fill(box(x - 0.21, y - 0.07, x + 0.05, y + 0.08), color)


def draw_belly(canvas: Canvas, look: Look, x: float, y: float) -> None:
    """White marks on dark bodies, black ones on light bodies, in the lower half of the body."""
    mark = COLORS["black"] if look.body in ("white", "yellow", "orange") else COLORS["white"]
    places = x + np.linspace(-0.13, 0.13, 5)
    if look.belly == "striped":
        for place in places:
            canvas.fill(box(place - 0.016, y - 0.055, place + 0.016, y + 0.065), mark, outline=False)
    elif look.belly == "spotted":
        for place, lower in zip(places, (0.0, 0.02, 0.025, 0.02, 0.0), strict=True):
            canvas.fill(ellipse(place, y - 0.02 + lower, 0.027, 0.027), mark, outline=False)
