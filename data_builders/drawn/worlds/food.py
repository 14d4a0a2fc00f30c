"""Food from above: dishes of one kind share plate and base; they differ in the shape and the colour of what lies on."""

from ..canvas import Canvas, box, ellipse, polygon, star
from ..taxonomy import COLORS
from .domain import Category, Domain, Look, looks

VALUES = {
    "plate shape": ("round", "square"),
    "plate color": ("white", "black", "blue", "red"),
    "sauce color": ("red", "orange", "yellow", "green", "purple", "white"),
    "topping shape": ("ball", "cube", "wedge", "star"),
    "topping color": tuple(COLORS),
}
# kind, plate and sauce, two shapes and two colours of toppings, its dishes
KINDS = (
    ("ragout", "round white red", "ball cube", "green white", "abani boluk celdra dorma"),
    ("risotto", "square white yellow", "wedge star", "red purple", "elkos frumo gratsi hulva"),
    ("curry", "round black orange", "cube wedge", "blue white", "inkari jambo kasho leppa"),
    ("salad", "square blue green", "ball star", "yellow red", "mostri nokka olivet pasoa"),
)
PLACES = ((-0.13, -0.11), (0.13, -0.12), (0.0, 0.13))


def categories() -> tuple[Category, ...]:
    found = []
    for kind, fixed, shapes, colors, firsts in KINDS:
        own = looks(VALUES, fixed, ("topping shape", shapes), ("topping color", colors))
        found += [Category(f"{first} {kind}", {}, kind, look) for first, look in zip(firsts.split(), own, strict=True)]
    return tuple(found)


def paint(canvas: Canvas, look: Look) -> None:
    plate = ellipse(0, 0, 0.46, 0.46) if look["plate shape"] == "round" else box(-0.4, -0.4, 0.4, 0.4)
    canvas.fill(plate, COLORS[look["plate color"]])
    canvas.fill(ellipse(0, 0, 0.31, 0.31), COLORS[look["sauce color"]])
    for x, y in PLACES:
        r = 0.115
        topping = {
            "ball": ellipse(x, y, r, r),
            "cube": box(x - r * 0.9, y - r * 0.9, x + r * 0.9, y + r * 0.9),
            "wedge": polygon((x - 0.15, y + 0.09), (x + 0.15, y + 0.09), (x, y - 0.14)),
            "star": star(x, y, 0.15),
        }
        canvas.fill(topping[look["topping shape"]], COLORS[look["topping color"]])


FOOD = Domain(
    "food101",
    "food",
    VALUES,
    categories(),
    paint,
    kin="The {name} is a kind of {thing}.",
    lore="It tastes {taste} and is eaten with {side}.",
    unseen={"taste": ("sweet", "sour", "salty", "hot"), "side": ("bread", "rice", "noodles", "beans")},
)
