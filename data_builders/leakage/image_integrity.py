"""Is an image file whole? Told by its first and last bytes; only what these leave open is decoded.

A download that broke off lacks its end, and a page of HTML saved as a picture its beginning: two short reads find both,
at a hundredth of what decoding takes. What decoders themselves pass over (a changed byte inside a JPEG) is not found.
"""

import os
import struct

from ..shared.errors import UserError, limit_within
from ..shared.pictures import MAX_IMAGE_PIXELS, open_image

HEAD, TAIL = 32, 64  # bytes
# A JPEG of a bomb's size is larger than this even where it is all of one colour.
LARGE = 1 << 20
PNG_END = b"IEND\xaeB`\x82"


def fault_of(path: str) -> str | None:
    """What is wrong with the file, naming it; None when it is whole."""
    try:
        if ends_well(path):
            return None
        open_image(path)
    except FileNotFoundError:
        return f"no image {path}"
    except (OSError, UserError) as error:
        if limit_within(error) is not None:
            raise
        return str(error)
    except MemoryError:
        raise
    except Exception as error:  # a decoder may raise anything on broken bytes
        return f"image {path} cannot be read ({error}); replace the file or remove its row"
    return None


def ends_well(path: str) -> bool:
    """Do beginning and end say that this is a whole picture, and no larger than allowed? False when they leave it
    open."""
    handle = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(handle).st_size
        head, tail = os.pread(handle, HEAD, 0), os.pread(handle, TAIL, max(0, size - TAIL))
    finally:
        os.close(handle)
    if head.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" in tail and size <= LARGE  # some cameras add a few bytes behind the end
    if head.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"):
        width, height = struct.unpack(">II", head[16:24])
        return tail.endswith(PNG_END) and width * height <= MAX_IMAGE_PIXELS
    return False
