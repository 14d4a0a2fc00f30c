"""Cosine similarities of queries with a whole gallery, exact, a block of queries at a time."""

from collections.abc import Iterator, Sequence

import numpy as np

MEMORY = 256 * 2**20  # bytes of similarities held at once
GALLERY_BLOCK = 8_192  # gallery rows normalised at once
EXACT_GALLERY = 20_000  # up to here similarities are float64, as the golden rows; beyond, float32 at twice the speed


def normalised(features_NF: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """Rows of length 1, a zero row stays zero."""
    rows = np.asarray(features_NF, dtype)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(length, np.finfo(dtype).tiny)


def precision_for(gallery: int) -> type:
    return np.float64 if gallery <= EXACT_GALLERY else np.float32


def similarity_blocks(
    query_QF: np.ndarray,
    gallery_GF: np.ndarray,
    *,
    dtype: type | None = None,
    memory: int = MEMORY,
    itself: Sequence[int] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (number of the first query, cosine [block, G]); the block is overwritten by the next.

    Holds about `memory` bytes whatever the gallery's size (one row of similarities at least); features may be memory
    mapped. `itself`: where each query stands in the gallery; there its similarity is -inf.
    """
    queries, gallery = len(query_QF), len(gallery_GF)
    dtype = dtype or precision_for(gallery)
    rows = max(1, min(queries, memory // max(1, gallery * np.dtype(dtype).itemsize)))
    block = np.empty((rows, gallery), dtype)
    for start in range(0, queries, rows):
        part = normalised(query_QF[start : start + rows], dtype)
        scores = block[: len(part)]
        for first in range(0, gallery, GALLERY_BLOCK):
            last = min(first + GALLERY_BLOCK, gallery)
            np.matmul(part, normalised(gallery_GF[first:last], dtype).T, out=scores[:, first:last])
        if itself is not None:
            own = np.asarray(itself[start : start + len(part)])
            scores[np.arange(len(part)), own] = -np.inf
        yield start, scores
