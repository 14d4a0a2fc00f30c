"""InfographicsVQA's layout: one question file and the infographics; rows of symbols, each with a percentage."""

from functools import partial

import numpy as np
from PIL import Image

from ...shared.files import write_json
from ...shared.seeding import draw
from ..canvas import ellipse
from ..miniature import Miniature
from ..skills import some
from ..taxonomy import COLORS
from .pages import Sheet, jpeg, pictures, write_picture

ROWS, MOST_SYMBOLS = 3, 4


def write(mini: Miniature) -> None:
    rows = []
    for number in pictures(mini):
        rng = draw(mini.seed, "drawn", "infovqa", number)
        colors = some(tuple(color for color in COLORS if color != "white"), ROWS, rng)
        counts = rng.integers(1, MOST_SYMBOLS + 1, ROWS).tolist()
        shares = (rng.permutation(89)[:ROWS] + 10).tolist()
        name = f"{20_000 + number}.jpeg"
        painter = partial(infographic, colors, counts, shares)
        write_picture(mini, "infovqa", number, f"infographicsvqa_images/{name}", painter, jpeg)
        one, ranked = int(rng.integers(ROWS)), [colors[i] for i in np.argsort(shares)[::-1]]
        asked = (
            (f"What percentage is {colors[one]}?", [f"{shares[one]}%", str(shares[one])], ["single span"], []),
            ("How many symbols are there in all?", [str(sum(counts))], ["non-extractive"], ["counting"]),
            ("Which two colors have the most?", [", ".join(ranked[:2])], ["multi-span"], ["sorting"]),
        )
        for question, answers, kinds, operations in asked:
            rows.append(
                {
                    "questionId": 98_000 + len(rows),
                    "question": question,
                    "image_local_name": name,
                    "image_url": f"https://example.org/{name}",
                    "ocr_output_file": f"{20_000 + number}.json",
                    "answers": answers,
                    "data_split": "val",
                    "answer_type": kinds,
                    "evidence": ["figure"],
                    "operation/reasoning": operations,
                }
            )
    whole = {"dataset_name": "infographicsVQA", "dataset_version": "1.0", "dataset_split": "val", "data": rows}
    write_json(mini.out / "infographicsvqa_qas" / "infographicsVQA_val_v1.0_withQT.json", whole)


def infographic(
    colors: list[str], counts: list[int], shares: list[int], rng: np.random.Generator, pixels: int
) -> Image.Image:
    sheet = Sheet(rng, pixels)
    for place, (color, count, share) in enumerate(zip(colors, counts, shares, strict=True)):
        y = (place + 0.5) / ROWS
        for symbol in range(count):
            sheet.fill(ellipse(-0.42 + 0.15 * symbol, y - 0.5, 0.06, 0.06), COLORS[color])
        sheet.write(0.97, y, f"{share}%", 0.16, "rm")
    return sheet.image
