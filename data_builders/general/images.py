"""The pictures of a benchmark in one folder: linked or written as they are, checked once, the same picture once."""

import filecmp
import hashlib
import os
from pathlib import Path, PurePosixPath

from PIL import Image

from ..shared.errors import UserError
from ..shared.files import safe_join, write_bytes
from ..shared.picture_formats import PICTURE_SUFFIXES, SUFFIX_OF
from ..shared.pictures import read_picture
from .benchmark import Picture

KNOWN_SUFFIXES = {*PICTURE_SUFFIXES, *SUFFIX_OF.values()}
LONGEST_NAME = 120  # bytes of one part of a path; file systems allow 255


def picture_suffix(data: bytes, place: str, *, decode: bool = True) -> str:
    """The suffix that the content calls for. UserError for what is empty, no picture, too large or (decoded) broken."""
    if not data:
        raise UserError(f"{place}: the image is empty (0 bytes); download it again")

    def suffix(image: Image.Image) -> str:
        if decode:
            image.load()
        return SUFFIX_OF[image.format or ""]

    return read_picture(data, f"{place}: the image", suffix)


class ImageStore:
    """<folder>/images. `put` returns a picture's path relative to the folder.

    Pictures of an interrupted build are kept where their content is the same, without a second look into them.
    """

    def __init__(self, folder: Path, *, copy: bool = False, check: bool = True):
        self.folder, self.copy, self.check = folder, copy, check
        self.by_key: dict[str, str] = {}
        self.by_content: dict[bytes, str] = {}
        self.taken: set[str] = set()

    def __len__(self) -> int:
        return len(self.taken)

    def put(self, picture: Picture) -> str:
        """UserError names the picture's place when it is broken or its name leaves the folder."""
        if picture.key is not None and picture.key in self.by_key:
            return self.by_key[picture.key]
        path = self._put_file(picture) if picture.path else self._put_bytes(picture)
        if picture.key is not None:
            self.by_key[picture.key] = path
        self.taken.add(path)
        return path

    def _put_file(self, picture: Picture) -> str:
        name = f"images/{picture.name}"
        if name in self.taken:  # two files that want one name
            stem = PurePosixPath(name)
            mark = hashlib.sha256(str(picture.key).encode()).hexdigest()[:8]
            name = str(stem.with_name(f"{stem.stem}-{mark}{stem.suffix}"))
        source, target = picture.path, self._target(name, picture.place)
        if target.exists():
            if os.path.samefile(source, target) or filecmp.cmp(source, target, shallow=False):
                return name
            target.unlink()
        if self.check:
            picture_suffix(source.read_bytes(), f"{picture.place}: {source}")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self.copy:
            try:
                # Downloads may be trees of symbolic links; a link to the link would break with them.
                os.link(os.path.realpath(source), target)
                return name
            except OSError:
                pass  # another file system, or one without hard links: copied below
        write_bytes(target, source.read_bytes())
        return name

    def _put_bytes(self, picture: Picture) -> str:
        data = picture.make() if picture.make else picture.data or b""
        digest = hashlib.sha256(data).digest()
        if digest in self.by_content:
            return self.by_content[digest]
        suffix = picture_suffix(data, picture.place, decode=False)
        stem = self._stem(picture, digest)
        name = f"images/{stem}{suffix}"
        if name in self.taken:
            name = f"images/{stem}-{digest.hex()[:8]}{suffix}"
        target = self._target(name, picture.place)
        if not (target.is_file() and target.stat().st_size == len(data) and target.read_bytes() == data):
            if self.check:
                picture_suffix(data, picture.place)
            write_bytes(target, data)
        self.by_content[digest] = name
        return name

    def _stem(self, picture: Picture, digest: bytes) -> str:
        """The wanted name without its suffix, which may be wrong; from the content where there is none to be had."""
        if not picture.name:
            return digest.hex()[:16]
        self._target(picture.name, picture.place)
        path = PurePosixPath(picture.name)
        if not path.parts or any(len(part.encode()) > LONGEST_NAME for part in path.parts):
            return digest.hex()[:16]
        return str(path.with_suffix("") if path.suffix.lower() in KNOWN_SUFFIXES else path)

    def _target(self, name: str, place: str) -> Path:
        try:
            return safe_join(self.folder, name)
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
