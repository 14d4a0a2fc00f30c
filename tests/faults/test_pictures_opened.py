"""A picture file from anywhere: seen as a viewer shows it, or refused with one message; no other program is started."""

import os
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from table import rows

from data_builders.shared.errors import UserError
from fgtrain.data.image import image_size, open_image

RED, BLUE = (250, 10, 10), (10, 10, 250)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"


def halves() -> Image.Image:
    """Red on the left, blue on the right, 24 x 12 pixels: it shows how it is turned."""
    picture = Image.new("RGB", (24, 12), RED)
    picture.paste(BLUE, (12, 0, 24, 12))
    return picture


def turned(folder: Path, orientation: int, suffix: str = "jpg") -> Path:
    exif = Image.Exif()
    exif[274] = orientation
    path = folder / f"a.{suffix}"
    halves().save(path, exif=exif, **({"quality": 95, "subsampling": 0} if suffix == "jpg" else {"lossless": True}))
    return path


def named(colour: np.ndarray) -> str:
    return "red" if colour[0] > 150 else "blue" if colour[2] > 150 else str(colour)


def seen(path: Path) -> tuple[tuple[int, int], str]:
    """Its size, and the colour of its upper left corner."""
    picture = open_image(path)
    assert image_size(path) == picture.size
    return picture.size, named(np.asarray(picture)[1, 1])


@rows(
    ("upright", (1, "jpg"), ((24, 12), "red")),
    ("mirrored", (2, "jpg"), ((24, 12), "blue")),
    ("upside down", (3, "jpg"), ((24, 12), "blue")),
    ("upside down and mirrored", (4, "jpg"), ((24, 12), "red")),
    ("transposed", (5, "jpg"), ((12, 24), "red")),
    ("a telephone held upright", (6, "jpg"), ((12, 24), "red")),
    ("transversed", (7, "jpg"), ((12, 24), "blue")),
    ("a telephone held the other way", (8, "jpg"), ((12, 24), "blue")),
    ("no orientation there is", (9, "jpg"), ((24, 12), "red")),
    ("of a PNG", (6, "png"), ((12, 24), "red")),
    ("of a WebP", (8, "webp"), ((12, 24), "blue")),
    ("of a TIFF", (6, "tif"), ((12, 24), "red")),
)
def test_a_picture_is_turned_as_its_exif_says(tmp_path, how, out):
    assert seen(turned(tmp_path, *how)) == out


def test_broken_exif_is_no_fault_of_the_picture(tmp_path):
    halves().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert seen(tmp_path / "a.jpg") == ((24, 12), "red")


def clear(mode: str, folder: Path) -> Path:
    """A black picture that is wholly transparent."""
    path = folder / ("a.gif" if mode == "gif" else "a.png")
    if mode == "gif":
        Image.new("P", (8, 8), 0).save(path, transparency=0)
    elif mode == "colour key":
        Image.new("RGB", (8, 8), 0).save(path, transparency=(0, 0, 0))
    elif mode == "opaque":
        Image.new("RGBA", (8, 8), (0, 0, 0, 255)).save(path)
    elif mode == "half":
        Image.new("RGBA", (8, 8), (0, 0, 0, 128)).save(path)
    else:
        Image.new(mode, (8, 8), 0).save(path)
    return path


@rows(
    ("RGBA", "RGBA", 255),
    ("grey with alpha", "LA", 255),
    ("a colour that stands for nothing", "colour key", 255),
    ("of a GIF", "gif", 255),
    ("half of it", "half", 127),
    ("opaque", "opaque", 0),
)
def test_what_is_transparent_lies_on_white(tmp_path, how, out):
    assert np.asarray(open_image(clear(how, tmp_path)))[4, 4].tolist() == [out] * 3


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(path: Path, kind: bytes, data: bytes, at_end: bool = False) -> Path:
    halves().save(path)
    whole = path.read_bytes()
    place = whole.index(b"IEND") - 4 if at_end else 8 + 25
    path.write_bytes(whole[:place] + chunk(kind, data) + whole[place:])
    return path


MUCH = zlib.compress(b"x" * 3_000_000)


@rows(
    ("zTXt", (b"zTXt", b"Comment\0\0" + MUCH), None),
    ("iTXt", (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + MUCH), None),
    ("iCCP", (b"iCCP", b"profile\0\0" + MUCH), None),
    ("zTXt behind the pixels", (b"zTXt", b"Comment\0\0" + MUCH, True), None),
    ("100 MB of text", (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 1)), None),
    ("a text of an unknown compression", (b"zTXt", b"Comment\0\7" + MUCH), None),
)
def test_a_sound_png_is_read_whatever_its_metadata(tmp_path, how, out):
    path = with_chunk(tmp_path / "a.png", *how)
    assert (np.asarray(open_image(path)) == np.asarray(halves())).all()
    assert image_size(path) == (24, 12)


def content(kind: str, path: Path) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes({"eps": EPS, "empty": b"", "text": b"<html>", "fits": b"SIMPLE  =" + b" " * 3000}[kind])


@rows(
    ("an EPS", "eps", "cannot be read"),
    ("an empty file", "empty", "cannot be read"),
    ("a page of HTML", "text", "cannot be read"),
    ("FITS", "fits", "cannot be read"),
    ("a folder", "folder", "no file|cannot be read"),
    ("a link to a device", "device", "no file"),
)
def test_what_is_no_picture_is_refused_and_starts_no_program(tmp_path, monkeypatch, how, out):
    started = []
    monkeypatch.setattr(subprocess, "check_call", lambda *words, **_: started.append(words))
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **_: started.append(words))
    path = tmp_path / "a.jpg"
    content(how, path)
    with pytest.raises(UserError, match=out):
        open_image(path)
    assert not started


def test_a_pipe_is_not_waited_for(tmp_path):
    # In a process of its own, as the old way would never come back.
    content("pipe", tmp_path / "a.jpg")
    words = f"from data_builders.shared.pictures import open_image; open_image('{tmp_path}/a.jpg')"
    done = subprocess.run(["timeout", "20", os.sys.executable, "-c", words], capture_output=True, text=True)
    assert "is no file" in done.stderr


@rows(
    ("another suffix", ("p1.gif", "p1.jpg"), "p1.gif"),
    ("upper case", ("P1.JPG", "p1.jpg"), "P1.JPG"),
    ("a blank at the end", ("p1.jpg", "p1.jpg "), "p1.jpg"),
    ("a composed accent", ("caf\u00e9.jpg", "cafe\u0301.jpg"), "caf\u00e9.jpg"),
    ("a doubled folder", ("photos/p1.jpg", "p1.jpg"), "photos/p1.jpg"),
)
def test_a_missing_picture_names_what_is_almost_there(tmp_path, how, out):
    there, asked = how
    path = tmp_path / "photos" / there
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    with pytest.raises(UserError) as error:
        open_image(tmp_path / "photos" / asked)
    assert repr(out) in str(error.value)
