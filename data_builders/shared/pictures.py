"""The one way in which picture files are opened: few formats, no bombs, upright, without alpha, as RGB.

Training, evaluation, features and builders all see a picture as it comes from here: turned as its EXIF orientation says
(as every viewer shows it), and what is transparent laid on white.
"""

import io
import os
import stat
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from .errors import UserError, limit_of
from .near_miss import near_misses
from .picture_formats import DECODERS
from .text_files import LFS_POINTER, refuse_lfs_pointer

# A 12,000 px square is larger than any picture in the data sets served here; beyond it lies the decompression bomb.
MAX_IMAGE_PIXELS = 12_000 * 12_000
Image.MAX_IMAGE_PIXELS = MAX_IMAGE_PIXELS
ImageFile.LOAD_TRUNCATED_IMAGES = False

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
PNG_METADATA = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")  # texts and colour profiles, which no pixel here depends on
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)

Result = TypeVar("Result")


class PictureChange(Protocol):
    """What is done to a picture when it is opened: a pure function of its pixels. Hashable; equal ones do the same."""

    settings: dict[str, Any]  # all that decides what comes out, beside the pixels

    def __call__(self, picture: Image.Image) -> Image.Image:
        """RGB in, RGB of the same size out."""
        ...


@dataclass(frozen=True)
class ChangedPicture:
    """A picture as a change makes it of a file, each time it is opened; nothing of it is written to disk."""

    path: Path
    change: PictureChange

    def __str__(self) -> str:
        return str(self.path)


def file_of(picture: Path | ChangedPicture) -> Path:
    """The file that it is made from."""
    return picture.path if isinstance(picture, ChangedPicture) else picture


def open_image(path: Path | ChangedPicture) -> Image.Image:
    """The whole picture as RGB, upright (EXIF), alpha laid on white, changed where it is a `ChangedPicture`. Of an
    animation the first frame.

    Raises UserError naming the file when it is missing, empty, truncated, no picture of `DECODERS`, or too large.
    """
    picture = read_picture(file_of(path), f"image {path}", upright_rgb)
    return path.change(picture) if isinstance(path, ChangedPicture) else picture


def image_size(path: Path | ChangedPicture) -> tuple[int, int]:
    """(width, height) of `open_image`'s picture, from the file's header alone. UserError as there."""

    def size(image: Image.Image) -> tuple[int, int]:
        width, height = image.size
        return (height, width) if orientation(image) in SIDEWAYS else (width, height)

    return read_picture(file_of(path), f"image {path}", size)


def open_reduced(path: Path, shortest: int) -> Image.Image:
    """As `open_image`, but a JPEG comes at 1/2, 1/4 or 1/8 of its size where its short side keeps `shortest` pixels.

    Its decoder leaves out what would be thrown away (a smaller inverse transform), several times faster than decoding
    all and resizing. Other files come whole.
    """

    def reduced(image: Image.Image) -> Image.Image:
        # Four-colour JPEGs stay as they are: their conversion is no average of pixels.
        if image.format == "JPEG" and image.mode in ("RGB", "L"):
            image.draft(None, (shortest, shortest))
        return upright_rgb(image)

    return read_picture(path, f"image {path}", reduced)


def upright_rgb(image: Image.Image) -> Image.Image:
    """The opened picture turned upright, as RGB. ValueError when its pixels have no known white."""
    turn = UPRIGHT.get(orientation(image))
    rgb = as_rgb(image)
    return rgb if turn is None else rgb.transpose(turn)


def orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8, as it stands before the pixels; 1 (upright) where there is none that can be read."""
    if image.format == "TIFF":
        return 1  # its decoder turns the picture itself
    try:
        # Not the file class's own: PNG's would decode all of it to look behind the pixels.
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken metadata is no fault of the picture, and its reader may raise anything
        return 1


def as_rgb(image: Image.Image) -> Image.Image:
    """The picture as RGB: 16 bits a pixel scaled to 8, alpha laid on white. ValueError without a known white."""
    if image.mode.startswith("I;16"):
        # Pillow's own conversion makes all that is brighter than 255 of 65,535 white.
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of 32 bits ({image.mode}) have no known white; save it with 8 or 16")
    image.load()  # a palette's transparency may be known only now
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def read_picture(
    source: Path | bytes,
    name: str,
    work: Callable[[Image.Image], Result],
    way_on: str = "replace the file or remove its row",
) -> Result:
    """What `work` makes of the opened, not yet decoded picture. UserError (`name` ... `way_on`) when it cannot be."""
    try:
        if not isinstance(source, bytes) and not stat.S_ISREG(os.stat(source).st_mode):
            raise UserError(f"{name} is no file; replace it or remove its row")
        try:
            return _decoded(source, work)
        except UserError:
            raise
        except (OSError, SyntaxError, ValueError):
            # Pillow gives up on a sound PNG with megabytes of metadata, which a decoder must guard against.
            plain = without_metadata(source if isinstance(source, bytes) else Path(source).read_bytes())
            if plain is None:
                raise
            return _decoded(plain, work)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"no {name}{near(source)}") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UserError(f"{name} has more than {MAX_IMAGE_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        with suppress(OSError):
            refuse_lfs_pointer(name, source if isinstance(source, bytes) else _head(source))
        known = ", ".join(DECODERS)
        raise UserError(f"{name} cannot be read (not an image of {known}); {way_on}") from None
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a decoder may raise anything on broken bytes
        raise UserError(f"{name} cannot be read ({error}); {way_on}") from None


def near(path: Path) -> str:
    """What is there almost under the name of the missing picture, for the end of a message; empty where nothing is."""
    found = near_misses(Path(path).parent, [Path(path).name])
    return f"; {found.partition(' (')[0]}" if found else ""


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(len(LFS_POINTER))


def _decoded(source: Path | bytes, work: Callable[[Image.Image], Result]) -> Result:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=DECODERS) as image:
            return work(image)


def without_metadata(data: bytes) -> bytes | None:
    """A PNG's bytes without its texts and colour profile; None when it has none, or is no PNG."""
    if not data.startswith(PNG_HEAD):
        return None
    kept, place = [PNG_HEAD], len(PNG_HEAD)
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] not in PNG_METADATA:
            kept.append(data[place:end])
        place = end
    plain = b"".join(kept)
    return plain if len(plain) < len(data) else None


def looks_like_picture(path: Path | str) -> bool:
    """Does the file begin as one of `DECODERS`' pictures, whatever it is called? False when it cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError as error:
        if limit_of(error) is not None:
            raise
        return False
    if head.startswith(b"RIFF"):
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in (b"avif", b"avis")
    return head.startswith((b"\xff\xd8\xff", PNG_HEAD, b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"))
