"""DocVQA's layout: one question file, the pages in a folder beside it; forms with a name, a day and a total."""

from functools import partial

import numpy as np
from PIL import Image

from ...shared.files import write_json
from ...shared.seeding import draw
from ..miniature import Miniature
from .pages import Sheet, pictures, write_picture

NAMES = ("Ada", "Bela", "Carl", "Dora", "Emil", "Fay")
MONTHS = ("May", "June", "July", "March")


def write(mini: Miniature) -> None:
    rows = []
    for number in pictures(mini):
        rng = draw(mini.seed, "drawn", "docvqa", number)
        name, month = NAMES[rng.integers(len(NAMES))], MONTHS[rng.integers(len(MONTHS))]
        day, total = int(rng.integers(1, 29)), int(rng.integers(10, 100))
        document = f"drwn{number:04}"
        lines = [f"Name: {name}", f"Date: {day} {month}", f"Total: {total}"]
        write_picture(mini, "docvqa", number, f"spdocvqa_images/{document}_1.png", partial(page, lines))
        asked = (
            ("What is the name?", [name, name.upper()], ["form"]),
            ("What is the date?", [f"{day} {month}", f"{day:02} {month}"], ["form", "handwritten"]),
            ("What is the total?", [str(total)], ["table/list"]),
        )
        for question, answers, types in asked:
            rows.append(
                {
                    "questionId": 50_000 + len(rows),
                    "question": question,
                    "question_types": types,
                    "image": f"documents/{document}_1.png",
                    "docId": number,
                    "ucsf_document_id": document,
                    "ucsf_document_page_no": "1",
                    "answers": answers,
                    "data_split": "val",
                }
            )
    whole = {"dataset_name": "SP-DocVQA", "dataset_version": "1.0", "dataset_split": "val", "data": rows}
    write_json(mini.out / "spdocvqa_qas" / "val_v1.0_withQT.json", whole)


def page(lines: list[str], rng: np.random.Generator, pixels: int) -> Image.Image:
    sheet = Sheet(rng, pixels)
    left = float(rng.uniform(0.03, 0.08))
    for place, line in enumerate(lines):
        sheet.write(left, (place + 1) / (len(lines) + 1), line, 0.13)
    return sheet.image
