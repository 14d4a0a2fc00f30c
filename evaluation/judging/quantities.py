"""Numbers, years and measures in a text, so that 100 cm agrees with 1.0 meters and 1822 only with itself."""

import math
import re
from typing import NamedTuple

from ..shared.numerals import Numeral, read_numerals

UNITS = {  # spelling -> (what is measured, in units of m, kg, m2, km/h)
    "length": {
        "mm millimeter millimetre millimeters millimetres": 1e-3,
        "cm centimeter centimetre centimeters centimetres": 1e-2,
        "m meter metre meters metres": 1.0,
        "km kilometer kilometre kilometers kilometres": 1e3,
        "in inch inches": 0.0254,
        "ft foot feet": 0.3048,
        "yd yard yards": 0.9144,
        "mi mile miles": 1609.344,
    },
    "mass": {
        "g gram grams": 1e-3,
        "kg kilogram kilograms kilo kilos": 1.0,
        "t tonne tonnes": 1e3,
        "oz ounce ounces": 0.02835,
        "lb lbs pound pounds": 0.45359,
    },
    "speed": {"kmh kph": 1.0, "mph": 1.609344, "knot knots kn kt": 1.852},
}
UNIT = {
    spelling: (kind, factor)
    for kind, table in UNITS.items()
    for spellings, factor in table.items()
    for spelling in spellings.split()
}
LIST_NUMBER = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
YEARS = (1000, 2100)
TOLERANCE = 0.05
MOST = 200  # so many quantities are compared with one another; beyond it a text is no answer any more


class Quantity(NamedTuple):
    value: float
    kind: str = ""  # length, mass, speed, share (25 %, a quarter); "" for a bare number
    size: float = 0.0  # in the unit of its kind

    def agrees(self, other: "Quantity") -> bool:
        """Equal up to rounding, in whatever units; years must be the same."""
        if self.kind and other.kind:
            return self.kind == other.kind and near(self.size, other.size)
        if not self.kind and not other.kind and is_year(other.value):
            return self.value == other.value
        return near(self.value, other.value)


def near(a: float, b: float) -> bool:
    return abs(a - b) <= TOLERANCE * max(abs(a), abs(b))


def is_year(value: float) -> bool:
    return YEARS[0] <= value <= YEARS[1] and value == int(value)


def quantity(one: Numeral) -> Quantity:
    if one.percent:
        return Quantity(one.value, "share", one.value / 100)
    kind, factor = UNIT.get(one.unit.replace("/", ""), ("", 0.0))
    if not kind and one.literal is None and 0 < one.value < 1:
        kind, factor = "share", 1.0
    return Quantity(one.value, kind, one.value * factor)


def quantities(text: str, name: str = "") -> list[Quantity]:
    """What is counted and measured in the text, each once, but for what it denies ("not 5"). Designations like the
    category's own (737-600) are none."""
    text = LIST_NUMBER.sub(" ", text)
    for one in designations(name):
        text = one.sub(" ", text)
    found = [quantity(one) for one in read_numerals(text) if not one.denied and math.isfinite(one.value)]
    distinct: list[Quantity] = []
    for one in dict.fromkeys(found):
        if len(distinct) >= MOST or not any(one.agrees(other) and other.agrees(one) for other in distinct):
            distinct.append(one)
    return distinct


def designations(name: str) -> list[re.Pattern[str]]:
    """What is written like the category's name where that holds digits: for 737-600 every 3-digit pair, and 737."""
    if not re.search(r"\d", name):
        return []
    shape = re.sub(r"\d+", r"\\d+", re.escape(name).replace("\\-", "-"))
    parts = [re.escape(one) for one in re.findall(r"\w*\d\w*", name)]
    return [re.compile(rf"\b{shape}\w*"), *(re.compile(rf"\b{one}\b") for one in parts)]
