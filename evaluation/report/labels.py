"""Names in figures, beside what they name: none on another, so that nobody has to point at a mark to learn its name."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

LETTER, LINE = 7.2, 15  # pixels of an average bold letter and of a line of text at 12 px
LONGEST = 26  # letters
NARROW = 13  # letters on narrow screens
DIRECTIONS = (0, 180, 40, 320, 140, 220, 90, 270, 20, 340, 160, 200, 65, 115, 245, 295)  # degrees, the best first
NEAR = 38  # pixels; no name goes farther from its mark to lie on no interval
FAR = 16  # pixels; a name that lies farther has a line to its mark


@dataclass(frozen=True)
class Name:
    """`text` stands for what is at (x, y); `run`: whose colour it has, None: nobody's."""

    run: int | None
    x: float
    y: float
    text: str


@dataclass
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        return not (
            self.right <= other.left or other.right <= self.left or self.bottom <= other.top or other.bottom <= self.top
        )

    def inside(self, other: "Box") -> bool:
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )


def shortened(text: str, most: int = LONGEST) -> str:
    """Beginning and end of a long name: the names of arms and runs often begin alike."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[1 - most // 2 :]}"


def short_names(names: Sequence[str]) -> list[str] | None:
    """As they fit on narrow screens; None: two of them would be the same."""
    short = [shortened(name, NARROW) for name in names]
    return short if len(set(short)) == len(set(names)) else None


def shared_beginning(names: Sequence[str]) -> str:
    """What all names begin with, up to a space, "-" or "_", so that labels say what tells them apart."""
    common = os.path.commonprefix(list(names)) if len(names) > 1 else ""
    return common[: max(map(common.rfind, " -_")) + 1]


def around(names: list[Name], bounds: Box, bars: Sequence[Box] = (), mark: float = 6) -> list[dict]:
    """Each name at the nearest free place around its mark, in the given order, within `bounds` where there is room; on
    none of `bars` (intervals), where there is such a place nearby."""
    marks = [Box(one.x - mark, one.y - mark, one.x + mark, one.y + mark) for one in names]
    placed: list[Box] = []
    found = []
    for one in names:
        text = shortened(one.text)
        width, taken = len(text) * LETTER + 2, [*marks, *placed]
        box, way = (
            _free(one, width, bounds, [*taken, *bars], NEAR) or _free(one, width, bounds, taken) or beside(one, width)
        )
        placed.append(box)
        far = way > FAR
        near = min(max(one.x, box.left), box.right), min(max(one.y, box.top), box.bottom)
        found.append(
            {"run": one.run, "text": text, "x": box.left + 1, "y": box.bottom - 4, "anchor": "start"}
            | {"leader": (one.x, one.y, *near) if far else None}
        )
    return found


def _free(one: Name, width: float, bounds: Box, taken: Sequence[Box], farthest: int = 400) -> tuple[Box, float] | None:
    """The first free place, from near to far, and how far it is; None: all is taken."""
    for way in range(9, farthest, 7):
        for angle in DIRECTIONS:
            across, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            x, y = one.x + way * across, one.y - way * up
            left = x if across > 0.1 else x - width if across < -0.1 else x - width / 2
            box = Box(left, y - LINE / 2, left + width, y + LINE / 2)
            if box.inside(bounds) and not any(box.meets(other) for other in taken):
                return box, way
    return None


def beside(one: Name, width: float) -> tuple[Box, float]:
    return Box(one.x + 9, one.y - LINE / 2, one.x + 9 + width, one.y + LINE / 2), 9


def at_the_end(names: list[Name], right: float, top: float, bottom: float) -> list[dict]:
    """Names of lines in a column at `right`, each at the height of its line's end or as near as the others let it."""
    ordered = sorted(names, key=lambda one: one.y)
    heights: list[float] = []
    for one in ordered:
        heights.append(max(one.y, heights[-1] + LINE if heights else top))
    over = max(heights, default=bottom) - bottom
    for place in range(len(heights) - 1, -1, -1):
        ceiling = bottom if place == len(heights) - 1 else heights[place + 1] - LINE
        if over > 0:
            heights[place] = min(heights[place], ceiling)
    return [
        {"run": one.run, "text": shortened(one.text), "x": right + 14, "y": y + 4, "anchor": "start"}
        | {"leader": (one.x, one.y, right + 12, y)}
        for one, y in zip(ordered, heights, strict=True)
    ]
