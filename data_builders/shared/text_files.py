"""Opening text as it is found: UTF-8 with or without a byte order mark, UTF-16 as Excel and PowerShell write it.

A Git LFS pointer is named as such: a clone without LFS has a few lines of text in each big file's place.
"""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from .errors import UserError

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
MARKS = (  # the longer ones first: UTF-32's little-endian mark begins as UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def refuse_lfs_pointer(path: Path | str, head: bytes) -> None:
    """UserError where a file that begins with `head` is the pointer to a file that Git LFS keeps elsewhere."""
    if head.startswith(LFS_POINTER):
        raise UserError(
            f"{path} is a Git LFS pointer, not the file itself. Fetch it: git lfs pull (in its clone), or download the "
            "file alone"
        )


def encoding_of(head: bytes) -> str:
    """The encoding of a text that begins with these bytes: by its mark; else UTF-16 where one sees it, else UTF-8."""
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding
    if len(head) > 1 and 0 in head[:2] and head[:2] != b"\0\0":
        return "utf-16-le" if head[1] == 0 else "utf-16-be"
    return "utf-8"


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """The file as text, without its byte order mark; lines end at "\\n" only, as rows may hold U+2028.

    UserError when it is not there, a folder, a Git LFS pointer, or (while it is read) not text.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(len(LFS_POINTER))
        refuse_lfs_pointer(path, head)
        with open(path, encoding=encoding_of(head), newline="\n") as text:
            yield text
    except FileNotFoundError:
        raise UserError(f"no file {path}") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, not a file") from None
    except UnicodeError as error:
        raise UserError(f"{path} is not text ({error}). Save it as UTF-8") from None
