"""What all questions of a sample share: the text before the images, and the images' tokens with their positions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fgtrain.images import ImageSpec, Layout
from fgtrain.templates import Pieces, Special, Template

from .sample import IMAGE_ID
from .tokens import Encoder

KEPT = 64  # prefixes; those of large pictures have thousands of tokens


@dataclass(frozen=True)
class Prefix:
    """`positions`: [3, tokens], or None for 0, 1, 2, ...; `anchor`: what follows is tokenised behind it."""

    ids: list[int]
    is_image: list[bool]
    positions: np.ndarray | None
    anchor: str


def encode_prefix(
    template: Template, encoder: Encoder, images: Sequence[Layout], spec: ImageSpec, *, plain: bool = False
) -> Prefix:
    """The prefix of a sample with these images, made once: not to be altered. `plain`: text without a question
    follows."""
    known_by = (template, tuple(images), spec, plain)
    if known_by not in encoder.prefixes:
        if len(encoder.prefixes) == KEPT:
            encoder.prefixes.clear()
        encoder.prefixes[known_by] = _encode(template, encoder, images, spec, plain)
    return encoder.prefixes[known_by]


def _encode(template: Template, encoder: Encoder, images: Sequence[Layout], spec: ImageSpec, plain: bool) -> Prefix:
    head = template.plain_head if plain else template.head_image if images else template.head_text
    ids: list[int] = []
    is_image: list[bool] = []
    grids: list[tuple[int, tuple[int, int]]] = []  # where each image's tokens begin, and its grid
    pieces, anchor = head, ""
    for place, layout in enumerate(images):
        if place:
            pieces = (*pieces, *template.between_images)
        for piece in layout.written or (*spec.before, layout.tokens, *spec.after):
            if isinstance(piece, str):  # a special token or, where it is white space, text
                pieces = (*pieces, piece if piece.isspace() else Special(piece))
                continue
            before, _ = encoder.pieces(_joined(pieces), anchor)
            if layout.grid is not None:
                grids.append((len(ids) + len(before), layout.grid))
            ids += before + [IMAGE_ID] * piece
            is_image += [False] * len(before) + [True] * piece
            pieces, anchor = (), "" if template.apart else spec.token
    closing, anchor = encoder.pieces(_joined(pieces), anchor)
    ids += closing
    is_image += [False] * len(closing)
    if plain and not images:
        anchor = ""  # plain text is cut as it is when it stands alone
    return Prefix(ids, is_image, positions(len(ids), grids) if spec.axes > 1 else None, anchor)


def _joined(pieces: Pieces) -> Pieces:
    """Texts that follow each other as one text: a tokenizer would cut line breaks otherwise where they meet."""
    found: list[str] = []
    for piece in pieces:
        if found and not isinstance(piece, Special) and not isinstance(found[-1], Special):
            found[-1] += piece
        else:
            found.append(piece)
    return tuple(found)


def positions(tokens: int, grids: Sequence[tuple[int, tuple[int, int]]]) -> np.ndarray:
    """[3, tokens]: place in time, height and width. Text counts on, on all axes alike; an image's tokens share one
    moment, and what follows them starts behind the largest of their places. `grids`: (first token, (rows, columns)).
    """
    found = np.zeros((3, tokens), dtype=np.int64)
    token, place = 0, 0
    for first, (rows, columns) in grids:
        found[:, token:first] = np.arange(place, place + first - token)
        place += first - token
        token = first + rows * columns
        found[0, first:token] = place
        found[1, first:token] = place + np.repeat(np.arange(rows), columns)
        found[2, first:token] = place + np.tile(np.arange(columns), rows)
        place += max(rows, columns)
    found[:, token:] = np.arange(place, place + tokens - token)
    return found
