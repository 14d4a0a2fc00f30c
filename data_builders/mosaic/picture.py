"""A mosaic's picture: tiles opened no larger than they are shown, the middle square of each, put side by side."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..shared.pictures import open_image, open_reduced

# What is more than twice as large as its tile is first averaged over blocks of pixels: 50 dB from the one-step way.
REDUCING_GAP = 2.0


def open_tile(path: Path, tile_pixels: int, *, exact: bool = False, kept: float = 1.0) -> Image.Image:
    """The picture of a tile, RGB, its short side at least `tile_pixels` unless the file's is shorter.

    A JPEG is reduced by its own decoder: 34 to 37 dB (median) from the tile made of the whole picture. `exact` opens
    it whole. `kept`: the least share of a side that is left when the picture is cropped before it becomes a tile.
    UserError when the file cannot be read.
    """
    return open_image(path) if exact else open_reduced(path, round(tile_pixels / kept))


def square(image: Image.Image, pixels: int, *, exact: bool = False) -> Image.Image:
    """The middle square of the picture (its short side), resized.

    `exact` crops first; otherwise pixels just outside the square count at its edge, which saves a copy.
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    if exact:
        return image.crop(box).resize((pixels, pixels), Image.Resampling.BICUBIC)
    return image.resize((pixels, pixels), Image.Resampling.BICUBIC, box=box, reducing_gap=REDUCING_GAP)


def compose(
    images: Sequence[Image.Image],
    grid: tuple[int, int],
    tile_pixels: int,
    order: Sequence[int],
    *,
    exact: bool = False,
) -> Image.Image:
    """One RGB picture of rows x columns tiles: place p in reading order shows images[order[p]].

    `exact` crops and resizes in one step each, whatever the picture's size: the straightforward way to the byte.
    """
    rows, columns = grid
    if sorted(order) != list(range(len(images))) or len(images) != rows * columns:
        raise ValueError(f"{len(images)} images in order {list(order)} do not fill a {rows} x {columns} grid")
    whole = Image.new("RGB", (columns * tile_pixels, rows * tile_pixels))
    for place, index in enumerate(order):
        image = images[index] if images[index].mode == "RGB" else images[index].convert("RGB")
        tile = square(image, tile_pixels, exact=exact)
        whole.paste(tile, (place % columns * tile_pixels, place // columns * tile_pixels))
    return whole
