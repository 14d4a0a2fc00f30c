"""Vegetables and fruits: super-classes share shape and leaves; members differ in the peel's colour and pattern."""

import numpy as np

from ...sources.vegfru import FRUITS, VEGETABLES
from ..canvas import Canvas, box, ellipse, polygon
from ..taxonomy import COLORS
from .domain import Category, Domain, Look, looks

VALUES = {
    "fruit shape": ("globe", "pear", "long", "cone"),
    "peel color": ("red", "orange", "yellow", "green", "purple", "white"),
    "peel pattern": ("plain", "banded", "dotted"),
    "leaf shape": ("tufted", "single", "bare"),
    "stem color": ("green", "black"),
}
# super-class (the data set's own first ones), shape, leaves and stem, two colours and two patterns of peels, members
SUPERCLASSES = (
    (VEGETABLES, 0, "pear tufted green", "white purple", "plain banded", "tollin urvek vashni wirrel"),
    (VEGETABLES, 1, "long tufted black", "green orange", "dotted plain", "xilpo yarrel zucho ambrel"),
    (FRUITS, 0, "globe bare green", "red purple", "plain dotted", "bosil citrel drumel egano"),
    (FRUITS, 1, "cone single black", "yellow orange", "banded plain", "fenka grumo hesta ilver"),
)
GREEN, DARK = (44, 130, 56), (40, 34, 30)


def categories() -> tuple[Category, ...]:
    found = []
    for part, place, fixed, colors, patterns, names in SUPERCLASSES:
        own = looks(VALUES, fixed, ("peel color", colors), ("peel pattern", patterns))
        parents = {"group": part.group, "superclass": part.superclasses[place]}
        named = zip(names.split(), own, strict=True)
        found += [Category(name, parents, parents["superclass"], look) for name, look in named]
    return tuple(found)


def outline(shape: str) -> np.ndarray:
    if shape == "globe":
        return ellipse(0.0, 0.08, 0.33, 0.31)
    if shape == "long":
        return ellipse(0.0, 0.08, 0.15, 0.38)
    if shape == "cone":
        return polygon((-0.3, -0.2), (0.3, -0.2), (0.25, -0.05), (0.05, 0.46), (-0.05, 0.46), (-0.25, -0.05))
    top, bottom = ellipse(0, -0.12, 0.15, 0.13, 180, 360), ellipse(0, 0.2, 0.33, 0.24, -30, 210)
    return np.concatenate([top, bottom])


def paint(canvas: Canvas, look: Look) -> None:
    stem = GREEN if look["stem color"] == "green" else DARK
    canvas.fill(outline(look["fruit shape"]), COLORS[look["peel color"]])
    if look["leaf shape"] == "tufted":
        for x in (-0.26, 0.0, 0.26):
            canvas.fill(polygon((-0.08, -0.2), (x - 0.03, -0.46), (x + 0.06, -0.46), (0.08, -0.2)), GREEN)
    elif look["leaf shape"] == "single":
        canvas.fill(ellipse(0.2, -0.33, 0.2, 0.09), GREEN)
    canvas.fill(box(-0.05, -0.47, 0.05, -0.17), stem)
    # Light marks on dark peels, dark ones on light peels.
    mark = COLORS["black"] if look["peel color"] in ("white", "yellow", "orange") else COLORS["white"]
    if look["peel pattern"] == "banded":
        for y in (-0.06, 0.09, 0.24):
            half = 0.12 if look["fruit shape"] in ("long", "cone") else 0.2
            canvas.fill(box(-half, y - 0.025, half, y + 0.025), mark, outline=False)
    elif look["peel pattern"] == "dotted":
        for x, y in ((-0.08, -0.03), (0.08, 0.02), (-0.08, 0.13), (0.08, 0.18), (0.0, 0.28)):
            canvas.fill(ellipse(x, y, 0.04, 0.04), mark, outline=False)


PRODUCE = Domain(
    "vegfru",
    "produce",
    VALUES,
    categories(),
    paint,
    kin="The {name} is a {group} of the super-class {superclass}.",
    lore="It tastes {taste} and is used for {dish}.",
    unseen={"taste": ("bitter", "mellow", "tart", "earthy"), "dish": ("soups", "juice", "pickles", "jam")},
)
