"""MathVista's layout: testmini.json and images/; counting and bars, with every kind of answer that its rule knows."""

from functools import partial

import numpy as np

from ...shared.files import write_json
from ...shared.seeding import draw
from ..miniature import Miniature
from ..skills import COUNT_OF, MOST_SHAPES, MOST_VALUE, SHAPES, Painter, draw_bars, draw_shapes, some
from ..taxonomy import COLORS
from .pages import jpeg, pictures, write_picture

BAR_COLORS = tuple(color for color in COLORS if color != "white")


def write(mini: Miniature) -> None:
    problems = {}
    for number in pictures(mini):
        rng = draw(mini.seed, "drawn", "mathvista", number)
        problem, painter = KINDS[number % len(KINDS)](rng)
        pid = str(number + 1)
        image = f"images/{pid}.jpg"
        write_picture(mini, "mathvista", number, f"data/{image}", painter, jpeg)
        metadata = {
            "split": "testmini",
            "language": "english",
            "img_width": mini.pixels,
            "img_height": mini.pixels,
            "source": "drawn",
            "category": "general-vqa",
            "grade": "elementary school",
        }
        absent = {"choices": None, "unit": None, "precision": None}
        problems[pid] = {
            **absent,
            **problem,
            "image": image,
            "pid": pid,
            "metadata": {**metadata, **problem["metadata"]},
        }
    write_json(mini.out / "data" / "testmini.json", problems)


def about(task: str, context: str, skill: str) -> dict:
    return {"task": task, "context": context, "skills": [skill]}


def objects(rng: np.random.Generator) -> list[tuple[str, str]]:
    colors, count = tuple(COLORS), int(rng.integers(2, MOST_SHAPES + 1))
    return [(colors[rng.integers(len(colors))], SHAPES[rng.integers(len(SHAPES))]) for _ in range(count)]


def counting(rng: np.random.Generator) -> tuple[dict, Painter]:
    shown, shape = objects(rng), SHAPES[rng.integers(len(SHAPES))]
    problem = {
        "question": COUNT_OF.format(shape=shape),
        "answer": str(sum(kind == shape for _, kind in shown)),
        "question_type": "free_form",
        "answer_type": "integer",
        "unit": "shapes",
        "metadata": about("visual question answering", "synthetic scene", "arithmetic reasoning"),
    }
    return problem, partial(draw_shapes, shown, 3, 0.125)


def comparing(rng: np.random.Generator) -> tuple[dict, Painter]:
    shown = objects(rng)
    first, second = some(SHAPES, 2, rng)
    more = sum(kind == first for _, kind in shown) > sum(kind == second for _, kind in shown)
    problem = {
        "question": f"Are there more {first} shapes than {second} shapes?",
        "choices": ["Yes", "No"],
        "answer": "Yes" if more else "No",
        "question_type": "multi_choice",
        "answer_type": "text",
        "metadata": about("math word problem", "synthetic scene", "logical reasoning"),
    }
    return problem, partial(draw_shapes, shown, 3, 0.125)


def bars(rng: np.random.Generator) -> tuple[list[int], Painter]:
    colors = some(BAR_COLORS, int(rng.integers(2, 5)), rng)
    values = rng.integers(1, MOST_VALUE + 1, len(colors)).tolist()
    return values, partial(draw_bars, colors, values)


def mean(decimals: int, rng: np.random.Generator) -> tuple[dict, Painter]:
    values, painter = bars(rng)
    problem = {
        "question": "What is the mean value of the bars?",
        "answer": str(round(sum(values) / len(values), decimals)),
        "precision": decimals,
        "question_type": "free_form",
        "answer_type": "float",
        "metadata": about("figure question answering", "bar chart", "statistical reasoning"),
    }
    return problem, painter


def listing(rng: np.random.Generator) -> tuple[dict, Painter]:
    values, painter = bars(rng)
    problem = {
        "question": "What are the values of the bars from left to right?",
        "answer": str(values),
        "question_type": "free_form",
        "answer_type": "list",
        "metadata": about("figure question answering", "bar chart", "numeric commonsense"),
    }
    return problem, painter


KINDS = (counting, comparing, partial(mean, 1), listing, partial(mean, 2))
