"""Flowers from the front: kinds share number and shape of the petals and the leaf; species differ in two colours."""

import numpy as np

from ..canvas import Canvas, box, ellipse, polygon
from ..taxonomy import COLORS
from .domain import Category, Domain, Look, looks

VALUES = {
    "petal count": ("three", "five", "eight"),
    "petal shape": ("round", "pointed"),
    "petal color": ("red", "orange", "yellow", "blue", "purple", "white"),
    "center color": ("red", "orange", "yellow", "blue", "purple", "black", "white"),
    "leaf shape": ("broad", "narrow", "toothed"),
}
# kind, number and shape of petals and the leaf, two colours of petals, two of centres, its species
KINDS = (
    ("bellwort", "five round broad", "red yellow", "black blue", "amsel briva corin delva"),
    ("asterel", "eight pointed narrow", "white purple", "yellow orange", "estil fiora galen hespa"),
    ("lilium", "three pointed broad", "orange blue", "white purple", "irisa junel kalmia lorne"),
    ("rosette", "eight round toothed", "red white", "blue black", "mirth nolva orchil perle"),
)
COUNTS = {"three": 3, "five": 5, "eight": 8}
LEAF_GREEN = (44, 120, 52)
UP = -0.1  # the flower's middle


def categories() -> tuple[Category, ...]:
    found = []
    for kind, fixed, petals, centers, firsts in KINDS:
        own = looks(VALUES, fixed, ("petal color", petals), ("center color", centers))
        found += [Category(f"{first} {kind}", {}, kind, look) for first, look in zip(firsts.split(), own, strict=True)]
    return tuple(found)


def paint(canvas: Canvas, look: Look) -> None:
    canvas.fill(box(-0.025, UP, 0.025, 0.48), LEAF_GREEN, outline=False)
    for side in (-1, 1):
        canvas.fill(leaf(look["leaf shape"]) * np.array([side, 1.0]) + np.array([side * 0.02, 0.36]), LEAF_GREEN)
    count, color = COUNTS[look["petal count"]], COLORS[look["petal color"]]
    half = {3: 0.16, 5: 0.13, 8: 0.085}[count]
    for number in range(count):
        angle = 2 * np.pi * number / count
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if look["petal shape"] == "round":
            petal = ellipse(0.0, -0.22, half, 0.15)
        else:
            petal = polygon((-0.02, 0.0), (-half * 0.9, -0.18), (0.0, -0.4), (half * 0.9, -0.18), (0.02, 0.0))
        canvas.fill(petal @ turn.T + np.array([0.0, UP]), color)
    canvas.fill(ellipse(0.0, UP, 0.125, 0.125), COLORS[look["center color"]])


def leaf(shape: str) -> np.ndarray:
    """Grows to the right from its stem."""
    if shape == "broad":
        return ellipse(0.17, -0.06, 0.17, 0.1)
    if shape == "narrow":
        return polygon((0.0, -0.02), (0.38, -0.13), (0.42, -0.1), (0.0, 0.04))
    return polygon((0, 0), (0.1, -0.15), (0.16, -0.05), (0.27, -0.17), (0.3, -0.05), (0.42, -0.12), (0.3, 0.09))


FLOWERS = Domain(
    "flowers102",
    "flower",
    VALUES,
    categories(),
    paint,
    kin="The {name} is a kind of {thing}.",
    lore="It is found in {home} and used for {work}.",
    unseen={"home": ("meadows", "marshes", "gardens"), "work": ("dyes", "perfume", "bouquets", "medicine")},
)
