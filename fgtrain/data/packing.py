"""Samples to a batch: several in a row, each whole, so that little is padding."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fgtrain.batch import IGNORE_INDEX, Batch
from fgtrain.counts import Counts

from .sample import Sample

DUMMY_TOKENS = 2  # of the row that an empty batch holds
WEIGHTINGS: dict[str, Callable[[int], float]] = {
    "token": lambda labels: 1.0,
    "sample": lambda labels: 1.0 / labels,
    "sqrt": lambda labels: labels**-0.5,
}


def first_fit(lengths: Sequence[int], room: int | None) -> list[list[int]]:
    """Indices of what goes into each row, longest first into the first row with room (a longer one alone).

    Without `room` all go into one row, in order.
    """
    if room is None:
        return [list(range(len(lengths)))] if lengths else []
    rows: list[list[int]] = []
    left: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        place = next((r for r, free in enumerate(left) if free >= lengths[index]), None)
        if place is None:
            rows.append([index])
            left.append(room - lengths[index])
        else:
            rows[place].append(index)
            left[place] -= lengths[index]
    return rows


def pack(
    samples: Sequence[Sample],
    pack_tokens: int | None,
    weighting: str = "token",
    *,
    pixels_NCHW: Tensor | None = None,
    features_NPF: Tensor | None = None,
    data_sets: Sequence[str] | None = None,
) -> Batch:
    """A batch of all samples, in one row, or in rows of at most `pack_tokens` (a longer sample has a row of its own).

    Images (for each as many rows of pixels as its layout says) are given in the order of `samples` and come back in the
    order of their tokens. `weighting`: what a label
    weighs - token: 1; sample: 1 / labels of its sample; sqrt: 1 / square root of them. No samples give one short row
    with nothing to learn, so that every device runs the same modules.
    """
    rows = first_fit([len(sample) for sample in samples], pack_tokens)
    order = [i for row in rows for i in row]
    images = _image_rows(samples, order)
    shapes = [layout.shape for i in order for layout in samples[i].layouts if layout.shape]
    return replace(
        in_rows([[samples[i] for i in row] for row in rows], weighting),
        pixels_NCHW=None if pixels_NCHW is None or not images else pixels_NCHW[images],
        shapes_IK=torch.tensor(shapes) if shapes else None,
        features_NPF=None if features_NPF is None or not images else features_NPF[images],
        data_sets=[data_sets[i] for i in order] if data_sets is not None else [],
    )


def in_rows(rows: Sequence[Sequence[Sample]], weighting: str = "token") -> Batch:
    """A batch of these rows of samples, without what their images look like. `weighting`: as for `pack`."""
    B = max(len(rows), 1)
    T = max((sum(map(len, row)) for row in rows), default=DUMMY_TOKENS)
    token_ids, sample_id, branch_id = torch.zeros(3, B, T, dtype=torch.long)
    samples = [sample for row in rows for sample in row]
    axes = next((sample.position_ids.shape[:-1] for sample in samples if sample.position_ids.ndim > 1), ())
    position_ids = torch.zeros(*axes, B, T, dtype=torch.long)
    targets = torch.full((B, T), IGNORE_INDEX)
    weights = torch.zeros(B, T)
    is_image = torch.zeros(B, T, dtype=torch.bool)
    for b, row in enumerate(rows):
        start = 0
        for number, sample in enumerate(row, 1):
            span = slice(start, start + len(sample))
            token_ids[b, span] = torch.from_numpy(sample.token_ids)
            targets[b, span] = torch.from_numpy(sample.targets)
            branch_id[b, span] = torch.from_numpy(sample.branch_ids)
            position_ids[..., b, span] = torch.from_numpy(sample.position_ids)
            is_image[b, span] = torch.from_numpy(sample.is_image)
            sample_id[b, span] = number
            weights[b, span] = WEIGHTINGS[weighting](max(sample.labels, 1))
            start = span.stop
    weights[targets == IGNORE_INDEX] = 0.0
    if not samples:
        sample_id += 1
        position_ids += torch.arange(T)
    return Batch(
        token_ids,
        targets,
        weights,
        sample_id,
        branch_id,
        position_ids,
        is_image,
        samples=[sample.name for sample in samples],
        num_samples=len(samples),
        counts=sum((sample.counts for sample in samples), Counts()),
    )


def _image_rows(samples: Sequence[Sample], order: list[int]) -> list[int]:
    """Where the images' rows of the packed samples stand among those of the samples as given."""
    first, count = [], 0
    for sample in samples:
        first.append(count)
        count += sample.image_rows
    return [first[i] + n for i in order for n in range(samples[i].image_rows)]
