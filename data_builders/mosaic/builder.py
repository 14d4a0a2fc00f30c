"""The `mosaic` builder: options, rows, example pictures.

Published work states neither tile size nor counts nor wording; the defaults here: 3 x 3, tiles of 149 pixels (447 in
all, for 448-pixel encoders), every image in one mosaic, tiles of any categories of one data set, their names in reading
order.
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from pydantic import Field

from ..builder import Builder
from ..options import TrainingOptions
from ..records import conversation
from ..shared.files import safe_join, write_bytes
from ..shared.progress import progress
from ..shared.seeding import draw
from ..source_rows import write_source_rows
from ..templates import MOSAIC, MOSAIC_POSITION
from .answer import answer_in_order, place_names, separator
from .picture import compose, open_tile
from .tiles import Pool, mosaics_in, mosaics_of, pool_of


class MosaicOptions(TrainingOptions):
    not_identity = frozenset({"render"})

    level: str | None = Field(None, description="level of the tiles' names; default the finest of each data set")
    grid: int = Field(3, ge=2, le=8, description="tiles a side")
    tile_pixels: int = Field(149, ge=8, le=1024, description="side of a tile")
    rows: int | None = Field(
        None, ge=1, description="mosaics, of each data set with --tiles same; default as many as use every image once"
    )
    tiles: Literal["same", "mixed"] = Field(
        "same", description="same: all tiles of a mosaic from one data set; mixed: from all that --source lists"
    )
    neighbours: Literal["random", "sibling"] = Field(
        "random", description="random: tiles of any categories; sibling: of as few parents as possible (hard mosaics)"
    )
    answer: Literal["reading_order", "position"] = Field(
        "reading_order",
        description='reading_order: "jay, wren, ..."; position: "top left: jay; top middle: wren; ..." (2 x 2 and '
        '3 x 3) or "row 1, column 1: jay; ..."',
    )
    exact: bool = Field(False, description="read tiles whole, not reduced by the JPEG decoder: 2 to 3 times slower")
    render: int = Field(0, ge=0, description="example pictures to write into OUT/examples, with their answers")


def wording(pool: Pool, options: MosaicOptions, number: int, names: list[str]) -> str:
    """The question of mosaic `number` of these names, drawn from the wordings of the answer's form."""
    wordings = MOSAIC if options.answer == "reading_order" else MOSAIC_POSITION
    chosen = wordings[draw(options.seed, "mosaic", "wording", pool.name, number).integers(len(wordings))]
    side, (rank, ranks) = options.grid, pool.words
    first = place_names((side, side))[0]
    between, separators = separator(names, options.answer)
    told = {"rank": rank, "ranks": ranks, "first": first, "between": between, "separators": separators}
    return chosen.format(rows=side, columns=side, tiles=side * side, **told)


def rows_of(pool: Pool, options: MosaicOptions) -> Iterator[dict]:
    grid = (options.grid, options.grid)
    for number, tiles in enumerate(mosaics_of(pool, options)):
        names = [tile.name for tile in tiles]
        answer = answer_in_order(names, range(len(names)), options.answer, grid)
        form = {"grid": list(grid), "tile_pixels": options.tile_pixels, "names": names, "answer": options.answer}
        yield {
            "id": f"{pool.name}/mosaic/{pool.level}/{number}",
            "image": [tile.image for tile in tiles],
            "conversations": conversation(wording(pool, options, number, names), answer),
            "mosaic": form | ({"exact": True} if options.exact else {}),
            "source": pool.name,
            "kind": "mosaic",
            "category": "mosaic",
        }


def picture_of(row: dict, image_root: Path) -> Image.Image:
    """The row's mosaic with its tiles in the stored order. UserError when a tile cannot be read."""
    form = row["mosaic"]
    pixels, exact = form["tile_pixels"], form.get("exact", False)
    images = [open_tile(safe_join(image_root, image), pixels, exact=exact) for image in row["image"]]
    return compose(images, tuple(form["grid"]), pixels, range(len(images)), exact=exact)


def rendered(rows: Iterable[dict], folder: Path, image_root: Path, count: int) -> Iterator[dict]:
    """The rows as they come; the first `count` also as a picture and a text (question and answer) in `folder`."""
    for number, row in enumerate(rows):
        if number < count:
            stream = BytesIO()
            picture_of(row, image_root).save(stream, "JPEG", quality=92)
            write_bytes(folder / f"{number:03}.jpg", stream.getvalue())
            text = "\n".join(turn["value"].removeprefix("<image>\n") for turn in row["conversations"]) + "\n"
            write_bytes(folder / f"{number:03}.txt", text.encode())
        yield row


def build(root: Path, out: Path, options: MosaicOptions) -> None:
    sources = options.load(root)
    groups = [sources] if options.tiles == "mixed" else [(source,) for source in sources]
    pools = [pool_of(group, options) for group in groups]

    def rows() -> Iterator[dict]:
        with progress("mosaics", "rows", sum(mosaics_in(pool, options) for pool in pools)) as advance:
            for pool in pools:
                for row in rows_of(pool, options):
                    advance(1)
                    yield row

    examples = rendered(rows(), out / "examples", sources[0].root, options.render)
    write_source_rows(out, examples, builder="mosaic", sources=sources, options=options)


BUILDER = Builder("training rows: N x N collages of training images, every tile named", MosaicOptions, build)
