"""`mosaic`: N x N collages of training images; the question asks what is in them, the answer names every tile.

A row stores its tiles, not a picture: `compose` puts them together when the row is loaded, in an order drawn anew each
pass, and `answer_in_order` gives the answer that belongs to that order. Published work states neither tile size nor
counts nor wording; the defaults here: 3 x 3, tiles of 149 pixels (447 in all, for 448-pixel encoders), every image in
one mosaic, tiles of any categories.
"""

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from pydantic import Field

from .builder import Builder, write_source_rows
from .chance import draw
from .errors import UserError
from .files import open_image, safe_join, write_bytes
from .options import TrainingOptions
from .records import conversation, read_rows
from .short_answer import at_most
from .sources import LabelledImage, Source
from .templates import MOSAIC

VERSION = 1


class MosaicOptions(TrainingOptions):
    not_identity = frozenset({"render"})

    level: str | None = Field(None, description="level of the tiles' names; default the finest")
    grid: int = Field(3, ge=2, le=8, description="tiles a side")
    tile_pixels: int = Field(149, ge=8, le=1024, description="side of a tile")
    rows: int | None = Field(None, ge=1, description="mosaics; default as many as use every image once")
    neighbours: Literal["random", "sibling"] = Field(
        "random", description="random: tiles of any categories; sibling: of as few parents as possible"
    )
    render: int = Field(0, ge=0, description="example pictures to write into OUT/examples")


def square(image: Image.Image, pixels: int) -> Image.Image:
    """The middle square of the picture (its short side), resized."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return image.resize((pixels, pixels), Image.Resampling.BICUBIC, box=box)


def compose(
    images: Sequence[Image.Image], grid: tuple[int, int], tile_pixels: int, order: Sequence[int]
) -> Image.Image:
    """One RGB picture of rows x columns tiles: place p in reading order shows images[order[p]]."""
    rows, columns = grid
    if sorted(order) != list(range(len(images))) or len(images) != rows * columns:
        raise ValueError(f"{len(images)} images in order {list(order)} do not fill a {rows} x {columns} grid")
    whole = Image.new("RGB", (columns * tile_pixels, rows * tile_pixels))
    for place, index in enumerate(order):
        tile = square(images[index].convert("RGB"), tile_pixels)
        whole.paste(tile, (place % columns * tile_pixels, place // columns * tile_pixels))
    return whole


def answer_in_order(names: Sequence[str], order: Sequence[int]) -> str:
    """The tiles' names in reading order, for the order given to `compose`."""
    return ", ".join(names[index] for index in order)


def arranged(source: Source, images: list[LabelledImage], options: MosaicOptions, turn: int) -> list[LabelledImage]:
    """The images in the order in which mosaics take them, drawn anew for each turn through all of them."""
    rng = draw(options.seed, "mosaic", "arrange", turn)
    shuffled = [images[i] for i in rng.permutation(len(images))]
    if options.neighbours == "random":
        return shuffled
    level = source.level(options.level)
    place = source.levels.index(level)
    if place == 0:
        raise UserError(f"neighbours is sibling, but level {level.name} of {source.name} has no parents; write random")
    parent = source.levels[place - 1]
    found = source.labels(parent)
    rank = dict(zip((found[i] for i in rng.permutation(len(found))), range(len(found)), strict=True))
    return sorted(shuffled, key=lambda row: rank[source.label(row, parent)])


def tiles_of(source: Source, images: list[LabelledImage], options: MosaicOptions) -> Iterator[list[LabelledImage]]:
    """The tiles of each mosaic. The last mosaic of a turn is filled up from the turn's beginning."""
    tiles = options.grid**2
    if len(images) < tiles:
        raise UserError(f"a {options.grid} x {options.grid} mosaic needs {tiles} images; there are {len(images)}")
    wanted = options.rows or -(-len(images) // tiles)
    made = turn = 0
    while made < wanted:
        line = arranged(source, images, options, turn)
        for start in range(0, len(line), tiles):
            if made == wanted:
                return
            taken = line[start : start + tiles]
            yield taken + line[: tiles - len(taken)]
            made += 1
        turn += 1


def rows_of(source: Source, options: MosaicOptions) -> Iterable[dict]:
    level = source.level(options.level)
    images = at_most(source.split(options.split), options.max_images_per_class, options.seed)
    side = options.grid
    for number, tiles in enumerate(tiles_of(source, images, options)):
        names = [source.label(tile, level) for tile in tiles]
        wording = MOSAIC[draw(options.seed, "mosaic", "wording", number).integers(len(MOSAIC))]
        question = wording.format(rows=side, columns=side, tiles=side * side, rank=level.rank, ranks=level.plural)
        yield {
            "id": f"{source.name}/mosaic/{level.name}/{number}",
            "image": [tile.image for tile in tiles],
            "conversations": conversation(question, answer_in_order(names, range(len(names)))),
            "mosaic": {"grid": [side, side], "tile_pixels": options.tile_pixels, "names": names},
            "source": source.name,
            "kind": "mosaic",
            "category": "mosaic",
        }


def render(folder: Path, image_root: Path, count: int) -> None:
    """Example pictures of the first rows, in the stored order."""
    for number, row in zip(range(count), read_rows(folder), strict=False):
        images = [open_image(safe_join(image_root, image)) for image in row["image"]]
        form = row["mosaic"]
        picture = compose(images, tuple(form["grid"]), form["tile_pixels"], range(len(images)))
        write_bytes(folder / "examples" / f"{number:03}.jpg", jpeg_bytes(picture))


def jpeg_bytes(picture: Image.Image) -> bytes:
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=92)
    return stream.getvalue()


def build(root: Path, out: Path, options: MosaicOptions) -> None:
    sources = options.load(root)
    rows = (row for source in sources for row in rows_of(source, options))
    write_source_rows(out, rows, builder="mosaic", version=VERSION, sources=sources, options=options)
    render(out, sources[0].root, options.render)


BUILDER = Builder("training rows: N x N collages of training images, every tile named", MosaicOptions, VERSION, build)
