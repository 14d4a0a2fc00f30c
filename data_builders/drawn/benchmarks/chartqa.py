"""ChartQA's layout: two question files and the charts; bars of two to four colours."""

from functools import partial

from ...shared.files import write_json
from ...shared.seeding import draw
from ..miniature import Miniature
from ..skills import BAR, MOST_VALUE, draw_bars, some
from ..taxonomy import COLORS
from .pages import pictures, write_picture

FOLDER = "ChartQA Dataset/test"


def write(mini: Miniature) -> None:
    human, augmented = [], []
    for number in pictures(mini):
        rng = draw(mini.seed, "drawn", "chartqa", number)
        colors = some(tuple(color for color in COLORS if color != "white"), int(rng.integers(2, 5)), rng)
        values = rng.integers(1, MOST_VALUE + 1, len(colors)).tolist()
        name = f"{41000 + number}.png"
        write_picture(mini, "chartqa", number, f"{FOLDER}/png/{name}", partial(draw_bars, colors, values))
        first, second = (int(i) for i in rng.permutation(len(colors))[:2])
        asked = (
            ("What is the difference between the highest and the lowest bar?", str(max(values) - min(values))),
            (
                f"Is the {colors[first]} bar higher than the {colors[second]} bar?",
                "Yes" if values[first] > values[second] else "No",
            ),
        )
        human += [{"imgname": name, "query": question, "label": answer} for question, answer in asked]
        for i in (first, second):
            augmented.append({"imgname": name, "query": BAR.format(color=colors[i]), "label": str(values[i])})
    write_json(mini.out / FOLDER / "test_human.json", human)
    write_json(mini.out / FOLDER / "test_augmented.json", augmented)
