"""Aircraft from the side: a manufacturer's livery is the body's colour, a family's mark its tail and engines, and its
two variants differ in the place of the wing or in the stripe's colour."""

from ..canvas import Canvas, box, ellipse, polygon
from ..taxonomy import COLORS
from .domain import Category, Domain, Look

VALUES = {
    "body color": tuple(COLORS),
    "stripe color": tuple(COLORS),
    "tail shape": ("swept", "square", "forked"),
    "wing place": ("high", "low"),
    "engine place": ("front", "rear", "double"),
}
# manufacturer, body; family, tail, engine, wings and stripes of its variants
MAKERS = (
    ("Korvan", "white", ("Kestro swept front high-low red-red", "Plyva square rear high-high blue-orange")),
    ("Aldex", "yellow", ("Ostral forked rear low-low black-purple", "Mirev square double high-low blue-blue")),
    ("Wynsol", "blue", ("Talvik forked double high-low white-white", "Druska swept rear high-high orange-green")),
    ("Zephan", "green", ("Nimora square front low-low yellow-black", "Quellin swept double high-low white-white")),
)
GLASS, METAL = (170, 220, 245), (150, 150, 158)


def categories() -> tuple[Category, ...]:
    found = []
    for manufacturer, body, families in MAKERS:
        for words in families:
            family, tail, engine, wings, stripes = words.split()
            for number, (wing, stripe) in enumerate(zip(wings.split("-"), stripes.split("-"), strict=True), 1):
                look = dict(zip(VALUES, (body, stripe, tail, wing, engine), strict=True))
                parents = {"manufacturer": manufacturer, "family": family}
                found.append(Category(f"{family} {number}00", parents, family, look))
    return tuple(found)


def paint(canvas: Canvas, look: Look) -> None:
    body, stripe = COLORS[look["body color"]], COLORS[look["stripe color"]]
    tail = {
        "swept": [polygon((-0.3, -0.05), (-0.47, -0.36), (-0.34, -0.36), (-0.13, -0.05))],
        "square": [box(-0.44, -0.32, -0.2, -0.02)],
        "forked": [
            polygon((-0.3, 0.0), (-0.5, -0.3), (-0.38, -0.32), (-0.2, 0.0)),
            polygon((-0.3, 0.0), (-0.5, 0.3), (-0.38, 0.32), (-0.2, 0.0)),
        ],
    }
    for part in tail[look["tail shape"]]:
        canvas.fill(part, body)
    canvas.fill(ellipse(0.0, 0.02, 0.45, 0.135), body)
    canvas.fill(box(-0.37, -0.01, 0.4, 0.065), stripe, outline=False)
    canvas.fill(polygon((0.24, -0.1), (0.36, -0.07), (0.4, -0.02), (0.26, -0.02)), GLASS)
    engines = {"front": [(0.46, 0.02)], "rear": [(-0.22, -0.14)], "double": [(0.24, 0.2), (-0.2, 0.2)]}
    for x, y in engines[look["engine place"]]:
        if look["engine place"] == "front":
            canvas.fill(box(x - 0.02, y - 0.24, x + 0.03, y + 0.24), METAL)
        else:
            canvas.fill(ellipse(x, y, 0.13, 0.07), METAL)
    if look["wing place"] == "high":
        canvas.fill(polygon((0.16, -0.06), (-0.04, -0.4), (-0.18, -0.4), (-0.1, -0.06)), METAL)
    else:
        canvas.fill(polygon((0.16, 0.1), (-0.04, 0.44), (-0.18, 0.44), (-0.1, 0.1)), METAL)


AIRCRAFT = Domain(
    "aircraft",
    "aircraft",
    VALUES,
    categories(),
    paint,
    kin="The {name} is an {thing} of the family {family}.",
    lore="It is built by {manufacturer} and used for {work}.",
    unseen={"work": ("cargo", "training", "rescue", "surveys")},
)
