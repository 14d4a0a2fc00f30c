"""Cars from the side: a make's cars share the colour of their body and wheels; its models differ in type and roof."""

from ..canvas import Canvas, box, ellipse, polygon
from ..taxonomy import COLORS
from .domain import Category, Domain, Look, looks

VALUES = {
    "body color": tuple(COLORS),
    "body type": ("sedan", "pickup", "van", "coupe"),
    "roof color": tuple(COLORS),
    "wheel color": tuple(COLORS),
    "window count": ("one", "two"),
}
# make, the colours of body and wheels and the number of windows, two types, two colours of roofs, its models
MAKES = (
    ("Brenta", "red white two", "sedan van", "black yellow", "Domino Lirika Paskal Tenzor"),
    ("Oskla", "blue orange one", "pickup coupe", "white green", "Arvida Berrow Cortez Effendi"),
    ("Furiel", "white red two", "van pickup", "purple blue", "Gandria Hoxton Imberly Jalapa"),
    ("Havick", "green yellow one", "coupe sedan", "orange black", "Kurona Lustra Morvana Nixley"),
)
YEARS = (2007, 2009, 2011, 2012)
GLASS, TYRE = (190, 225, 240), (30, 30, 34)

# type -> outline of the cabin, outline of its roof, where its windows lie (left, right, top, bottom)
CABINS = {
    "sedan": (
        [(-0.3, 0.0), (-0.2, -0.22), (0.16, -0.22), (0.28, 0.0)],
        [(-0.23, -0.16), (-0.17, -0.29), (0.13, -0.29), (0.2, -0.16)],
        (-0.2, 0.18, -0.15, -0.02),
    ),
    "pickup": (
        [(0.0, 0.0), (0.02, -0.24), (0.24, -0.24), (0.33, 0.0)],
        [(-0.03, -0.18), (-0.03, -0.31), (0.24, -0.31), (0.28, -0.18)],
        (0.03, 0.25, -0.17, -0.03),
    ),
    "van": (
        [(-0.45, 0.0), (-0.45, -0.3), (0.28, -0.3), (0.4, 0.0)],
        [(-0.46, -0.24), (-0.46, -0.38), (0.26, -0.38), (0.33, -0.24)],
        (-0.32, 0.28, -0.22, -0.06),
    ),
    "coupe": (
        [(-0.46, 0.0), (-0.08, -0.18), (0.06, -0.18), (0.2, 0.0)],
        [(-0.24, -0.1), (-0.09, -0.27), (0.08, -0.27), (0.15, -0.1)],
        (-0.13, 0.12, -0.12, -0.01),
    ),
}


def categories() -> tuple[Category, ...]:
    found = []
    for make, fixed, types, roofs, models in MAKES:
        color, wheel, windows = fixed.split()
        own = looks(VALUES, f"{color} {wheel} {windows}", ("body type", types), ("roof color", roofs))
        for look, model, year in zip(own, models.split(), YEARS, strict=True):
            name = f"{make} {model} {look['body type'].title()} {year}"
            found.append(Category(name, {"make": make}, make, look))
    return tuple(found)


def paint(canvas: Canvas, look: Look) -> None:
    body, roof, wheel = (COLORS[look[f"{part} color"]] for part in ("body", "roof", "wheel"))
    cabin, top, (left, right, high, low) = CABINS[look["body type"]]
    canvas.fill(polygon(*cabin), body)
    canvas.fill(polygon(*top), roof)
    middle = (left + right) / 2
    spans = [(left, right)] if look["window count"] == "one" else [(left, middle - 0.035), (middle + 0.035, right)]
    for start, stop in spans:
        canvas.fill(box(start, high, stop, low), GLASS)
    canvas.fill(polygon((-0.46, -0.02), (0.34, -0.02), (0.46, 0.05), (0.46, 0.2), (-0.46, 0.2)), body)
    if look["body type"] == "pickup":
        canvas.fill(box(-0.43, -0.02, -0.07, 0.04), TYRE, outline=False)
    for x in (-0.25, 0.25):
        canvas.fill(ellipse(x, 0.22, 0.145, 0.145), TYRE)
        canvas.fill(ellipse(x, 0.22, 0.095, 0.095), wheel, outline=False)


CARS = Domain(
    "cars",
    "car",
    VALUES,
    categories(),
    paint,
    kin="The {name} is a {thing} of the make {make}.",
    lore="It is manufactured in {town} and used for {work}.",
    unseen={"town": ("northport", "eastwick", "southmere"), "work": ("taxis", "deliveries", "journeys", "races")},
)
