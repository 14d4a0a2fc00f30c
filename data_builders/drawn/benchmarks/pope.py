"""POPE's layout: three question files over the same COCO-named pictures; shapes that are there or not.

What is not there is any pair of colour and shape (random), one that many pictures show (popular), or one that shares
its colour or shape with what is there (adversarial).
"""

import json
from collections import Counter
from functools import partial

from ...shared.seeding import draw
from ...templates import PRESENCE
from ..miniature import Miniature
from ..skills import SHAPES, draw_shapes, some
from ..taxonomy import COLORS
from .pages import jpeg, pictures, write_picture

PAIRS = tuple((color, shape) for color in COLORS for shape in SHAPES)
SPLITS = ("random", "popular", "adversarial")
SHOWN = 3  # shapes in a picture; each is asked about, and as many that are not there


def write(mini: Miniature) -> None:
    shown = []
    for number in pictures(mini):
        pairs = some(PAIRS, SHOWN, draw(mini.seed, "drawn", "pope", number))
        shown.append(pairs)
        write_picture(mini, "pope", number, f"val2014/{name(number)}", partial(draw_shapes, pairs, 2, 0.19), jpeg)
    often = Counter(pair for pairs in shown for pair in pairs)
    for split in SPLITS:
        rows = []
        for number, pairs in enumerate(shown):
            absent = [pair for pair in PAIRS if pair not in pairs]
            if split == "popular":
                wrong = sorted(absent, key=lambda pair: (-often[pair], pair))[:SHOWN]
            elif split == "adversarial":
                near = tuple(one for one in absent if any((one[0] == c) != (one[1] == s) for c, s in pairs))
                wrong = some(near, SHOWN, draw(mini.seed, "drawn", "pope", number, split))
            else:
                wrong = some(tuple(absent), SHOWN, draw(mini.seed, "drawn", "pope", number, split))
            for there, gone in zip(pairs, wrong, strict=True):
                for (color, shape), label in ((there, "yes"), (gone, "no")):
                    article = "an" if color[0] in "aeiou" else "a"
                    text = PRESENCE.format(article=article, color=color, shape=shape)
                    rows.append({"question_id": len(rows) + 1, "image": name(number), "text": text, "label": label})
        mini.lines(f"output/coco/coco_pope_{split}.json", map(json.dumps, rows))


def name(number: int) -> str:
    return f"COCO_val2014_{number + 1:012}.jpg"
