"""Which of the words are photos, and which is the question."""

import os
from collections.abc import Sequence
from pathlib import Path

from data_builders.shared.picture_formats import DECODERS
from data_builders.shared.pictures import image_size
from data_builders.shared.progress import busy
from data_builders.sources.reading import passed_over, pictures_among
from fgtrain.errors import UserError


def photos_and_question(words: Sequence[str]) -> tuple[list[Path], str | None]:
    """Photos and folders, then perhaps a question: a last word that is no file, and has blanks in it or ends with "?".

    Every photo's head is read, so that a broken one is found before a model is loaded. UserError for photos that are
    not there, cannot be read, and for folders without any.
    """
    *before, last = words
    spoken = not os.path.lexists(last) and (" " in last.strip() or last.rstrip().endswith("?"))
    given, question = (before, last) if spoken else (words, None)
    if not given:
        raise UserError(f"no photo to ask {last!r} about. Give photos or folders before the question")
    found = [photo for word in given for photo in _of(word)]
    with busy("looking at the photos"):
        for photo in found:
            image_size(photo)
    return list(dict.fromkeys(found)), question


def _of(word: str) -> list[Path]:
    path = Path(word).expanduser()
    if not path.is_dir():
        if not path.exists() and not path.suffix:
            raise UserError(f"no photo {word}; a question has several words, or ends with a question mark")
        return [path]
    found, others = [], []
    for here, folders, files in os.walk(path):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        pictures, rest = pictures_among(here, files)
        found += [Path(here) / one for one in pictures]
        others += rest
    if not found:
        there = f"; {passed_over(others)}" if others else ""
        raise UserError(f"{path} holds no photos ({', '.join(DECODERS)}){there}")
    return found
