"""Dogs' heads from the front: breeds of one kind share ears, fur and muzzle; they differ in coat and in the face."""

import numpy as np

from ..canvas import Canvas, ellipse, polygon
from .domain import Category, Domain, Look, looks

COATS = {"brown": (138, 84, 40), "golden": (222, 168, 72), "grey": (140, 142, 150), "black": (34, 32, 36)}
COATS |= {"white": (246, 244, 240)}
VALUES = {
    "coat color": tuple(COATS),
    "fur length": ("smooth", "shaggy"),
    "ear shape": ("pointed", "drooping", "round"),
    "muzzle color": ("white", "black", "golden"),
    "face pattern": ("plain", "masked", "blazed"),
}
# kind, fur, ears and muzzle, two colours of coats, two patterns of faces, its breeds
KINDS = (
    ("hound", "smooth drooping white", "brown black", "plain masked", "Ardal Bosko Crevin Dunlo"),
    ("terrier", "shaggy pointed black", "golden white", "blazed plain", "Eskar Filby Garsa Hulme"),
    ("spitz", "shaggy round white", "grey brown", "masked blazed", "Ivash Jarne Klyde Loame"),
    ("mastiff", "smooth round golden", "black white", "plain blazed", "Munro Nevik Orlan Pelter"),
)
NOSE, EYE = (18, 16, 18), (250, 250, 250)


def categories() -> tuple[Category, ...]:
    found = []
    for kind, fixed, coats, faces, firsts in KINDS:
        own = looks(VALUES, fixed, ("coat color", coats), ("face pattern", faces))
        found += [Category(f"{first} {kind}", {}, kind, look) for first, look in zip(firsts.split(), own, strict=True)]
    return tuple(found)


def paint(canvas: Canvas, look: Look) -> None:
    coat = COATS[look["coat color"]]
    for side in (-1.0, 1.0):
        if look["ear shape"] == "pointed":
            ear = polygon((0.1, -0.2), (0.36, -0.47), (0.34, -0.05))
        elif look["ear shape"] == "round":
            ear = ellipse(0.28, -0.28, 0.14, 0.14)
        else:
            ear = ellipse(0.36, 0.06, 0.1, 0.28)
        canvas.fill(ear * np.array([side, 1.0]), coat)
    canvas.fill(head(look["fur length"]), coat)
    # Light marks on dark coats, dark ones on light coats.
    mark = COATS["black"] if look["coat color"] in ("white", "golden", "grey") else COATS["white"]
    if look["face pattern"] == "masked":
        canvas.fill(ellipse(0.0, -0.1, 0.28, 0.1), mark, outline=False)
    elif look["face pattern"] == "blazed":
        canvas.fill(polygon((-0.06, -0.31), (0.06, -0.31), (0.05, 0.1), (-0.05, 0.1)), mark, outline=False)
    for x in (-0.14, 0.14):
        canvas.fill(ellipse(x, -0.1, 0.06, 0.06), EYE)
        canvas.fill(ellipse(x, -0.1, 0.025, 0.025), NOSE, outline=False)
    canvas.fill(ellipse(0.0, 0.19, 0.18, 0.14), COATS[look["muzzle color"]])
    canvas.fill(ellipse(0.0, 0.12, 0.065, 0.045), NOSE)


def head(fur: str) -> np.ndarray:
    angles = np.radians(np.linspace(0, 360, 37)[:-1])
    radii = np.where(np.arange(36) % 2 == 0, 1.0, 0.78 if fur == "shaggy" else 1.0)
    grown = 1.18 if fur == "shaggy" else 1.0
    return np.stack([0.33 * grown * radii * np.cos(angles), 0.02 + 0.34 * grown * radii * np.sin(angles)], axis=1)


DOGS = Domain(
    "dogs",
    "dog",
    VALUES,
    categories(),
    paint,
    kin="The {name} is a breed of {thing}.",
    lore="It comes from the {home} and is trained for {work}.",
    unseen={"home": ("islands", "mountains", "valleys"), "work": ("herding", "guarding", "hunting", "sledding")},
)
