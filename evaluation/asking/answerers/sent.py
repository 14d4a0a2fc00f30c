"""What is sent for a picture: the pixels that every other part of this project sees of its file."""

import io
from pathlib import Path

from PIL import Image

from data_builders.shared.pictures import ChangedPicture, open_image, orientation, read_picture, upright_rgb

FASTEST = 1  # of zlib's levels: it stays on this host


def upright(path: Path | ChangedPicture) -> bytes:
    """The file's own bytes where any reader sees the same in it (a JPEG without a turn, grey or of three colours); else
    a PNG of `open_image`'s picture. UserError as from there.
    """
    if isinstance(path, ChangedPicture):
        return png(open_image(path))

    def plain(image: Image.Image) -> bool:
        return image.format == "JPEG" and image.mode in ("RGB", "L") and orientation(image) == 1

    if read_picture(path, f"image {path}", plain):
        return path.read_bytes()
    return png(read_picture(path, f"image {path}", upright_rgb))


def png(picture: Image.Image) -> bytes:
    """The picture as the bytes of a PNG file, packed quickly rather than small."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=FASTEST)
    return buffer.getvalue()
