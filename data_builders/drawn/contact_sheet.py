"""One picture that shows the world: two of each species, siblings below each other, then every general skill."""

import io

from PIL import Image

from .cub_layout import pictures
from .parallel_drawing import World
from .skills import KINDS, paint
from .taxonomy import Species

COLUMNS, SIBLINGS = 16, 4


def contact_sheet(everyone: list[Species], world: World) -> bytes:
    """PNG bytes. A column pair is a genus, a row a sibling; then a row for each general kind."""
    side, sheet_rows = world.pixels, SIBLINGS + len(KINDS)
    sheet = Image.new("RGB", (COLUMNS * side, sheet_rows * side))
    for one in pictures(everyone, 2, 0):
        genus, sibling = divmod(one.class_id - 1, SIBLINGS)
        sheet.paste(one.draw(world.seed, side).image, ((genus * 2 + one.number) * side, sibling * side))
    for row, kind in enumerate(KINDS, SIBLINGS):
        for column in range(COLUMNS):
            sheet.paste(paint(kind, "test", column, world.seed, side, world.general_train), (column * side, row * side))
    stream = io.BytesIO()
    sheet.resize((sheet.width * 2, sheet.height * 2), Image.Resampling.NEAREST).save(stream, "PNG")
    return stream.getvalue()
