"""What all questions of a sample share: the text before the images, and the images' tokens with their positions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fgtrain.images import ImageSpec, Layout
from fgtrain.templates import Special, Template

from .sample import IMAGE_ID
from .tokens import Encoder


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
    """The prefix of a sample with these images. `plain`: text without a question follows."""
    head = template.plain_head if plain else template.head_image if images else template.head_text
    ids, anchor = encoder.pieces(head)
    anchor = "" if plain else anchor  # plain text is cut as it is when it stands alone
    is_image = [False] * len(ids)
    grids: list[tuple[int, tuple[int, int]]] = []  # where each image's tokens begin, and its grid
    before, after = (tuple(map(Special, tokens)) for tokens in (spec.before, spec.after))
    for place, layout in enumerate(images):
        opening, _ = encoder.pieces((*(template.between_images if place else ()), *before), anchor)
        closing, anchor = encoder.pieces(after, spec.token)
        if layout.grid is not None:
            grids.append((len(ids) + len(opening), layout.grid))
        ids += opening + [IMAGE_ID] * layout.tokens + closing
        is_image += [False] * len(opening) + [True] * layout.tokens + [False] * len(closing)
    return Prefix(ids, is_image, positions(len(ids), grids) if spec.axes > 1 else None, anchor)


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
