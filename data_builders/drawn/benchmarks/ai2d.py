"""AI2D's layout: a question file and an annotation file per diagram, and the list of the test images.

A diagram has four shapes with an invented word below each; the annotations say where the words stand and which letter
takes their place.
"""

from functools import partial

import numpy as np
from PIL import Image

from ...shared.files import write_json
from ...shared.seeding import draw
from ..miniature import Miniature
from ..skills import SHAPES, shape_points, some
from ..taxonomy import COLORS
from .pages import Rectangle, Sheet, pictures, write_picture

WORDS = ("lum", "dax", "wug", "fep", "kiv", "zom", "tal", "nid")
PLACES = ((-0.25, -0.3), (0.25, -0.3), (-0.25, 0.2), (0.25, 0.2))  # of the shapes, from the middle
TRAINING = 2  # diagrams that are not in the list of the test images


def write(mini: Miniature) -> None:
    categories, test = {}, []
    for number in range(len(pictures(mini)) + TRAINING):
        rng = draw(mini.seed, "drawn", "ai2d", number)
        words = some(WORDS, len(PLACES), rng)
        parts = [(words[i], some(tuple(COLORS), 1, rng)[0], shape) for i, shape in enumerate(some(SHAPES, 4, rng))]
        image = f"{number}.png"
        write_picture(mini, "ai2d", number, f"ai2d/images/{image}", partial(paint, parts))
        categories[image] = "partsOfA"
        if number >= TRAINING:
            test.append(str(number))
        write_json(
            mini.out / "ai2d" / "questions" / f"{image}.json", {"questions": ask(parts, image, rng), "imageName": image}
        )
        boxes = diagram(parts, draw(mini.seed, "drawn", "ai2d", number, "picture"), mini.pixels)[1]
        texts = {
            f"T{i}": {
                "id": f"T{i}",
                "rectangle": [[box[0], box[1]], [box[2], box[3]]],
                "replacementText": "ABCD"[i],
                "value": parts[i][0],
            }
            for i, box in enumerate(boxes)
        }
        write_json(mini.out / "ai2d" / "annotations" / f"{image}.json", {"imageName": image, "text": texts})
    write_json(mini.out / "ai2d" / "categories.json", categories)
    mini.lines("ai2d_test_ids.csv", test)


def ask(parts: list[tuple[str, str, str]], image: str, rng: np.random.Generator) -> dict:
    """One question about a word, one about the letter in its place."""
    named, lettered = (int(i) for i in rng.integers(len(parts), size=2))
    shapes, letters = some(SHAPES, 4, rng), some(tuple("ABCD"), 4, rng)
    asked = (
        (f"What is the shape of the {parts[named][0]}?", shapes, shapes.index(parts[named][2]), False),
        (f"Which letter is below the {parts[lettered][2]}?", letters, letters.index("ABCD"[lettered]), True),
    )
    return {
        question: {
            "abcLabel": replaced,
            "answerTexts": options,
            "correctAnswer": right,
            "questionId": f"{image}-{number}",
        }
        for number, (question, options, right, replaced) in enumerate(asked)
    }


def diagram(
    parts: list[tuple[str, str, str]], rng: np.random.Generator, pixels: int
) -> tuple[Image.Image, list[Rectangle]]:
    """The picture and the rectangles of its words."""
    sheet, boxes = Sheet(rng, pixels), []
    for (word, color, shape), (x, y) in zip(parts, PLACES, strict=True):
        sheet.fill(shape_points(shape, x, y, 0.13), COLORS[color])
        boxes.append(sheet.write(x + 0.5, y + 0.5 + 0.22, word, 0.14, "mm"))
    return sheet.image, boxes


def paint(parts: list[tuple[str, str, str]], rng: np.random.Generator, pixels: int) -> Image.Image:
    return diagram(parts, rng, pixels)[0]
