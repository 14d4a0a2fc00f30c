"""Training-free classifiers: DINOv2's weighted nearest neighbours, and the nearest class centroid."""

from collections.abc import Sequence

import numpy as np

from .similarity import normalised, similarity_blocks

TEMPERATURE = 0.07
NEIGHBOURS = (10, 20, 100, 200)


def nearest_neighbours(
    query_QF: np.ndarray,
    gallery_GF: np.ndarray,
    gallery_labels: Sequence[int],
    *,
    classes: int,
    ks: tuple[int, ...] = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> dict[int, np.ndarray]:
    """k -> predicted class of every query: the k most similar (cosine) vote with exp(similarity / temperature).

    A k beyond the gallery's size means all of it.
    """
    labels = np.asarray(gallery_labels)
    most = min(max(ks), len(labels))
    predicted = {k: np.zeros(len(query_QF), np.int64) for k in ks}
    for start, scores_BG in similarity_blocks(query_QF, gallery_GF):
        for row, scores in enumerate(scores_BG):
            chosen = np.argpartition(-scores, most - 1)[:most] if most < len(scores) else np.arange(len(scores))
            chosen = chosen[np.lexsort((chosen, -scores[chosen]))]
            # from the best down, so that nothing overflows; a common factor does not change who wins
            weights = np.exp((scores[chosen] - scores[chosen[0]]) / temperature)
            for k in ks:
                votes = np.bincount(labels[chosen[:k]], weights[:k], minlength=classes)
                predicted[k][start + row] = int(votes.argmax())
    return predicted


def nearest_centroid(
    query_QF: np.ndarray, gallery_GF: np.ndarray, gallery_labels: Sequence[int], *, classes: int
) -> np.ndarray:
    """The class whose mean (of pictures scaled to length 1) has the highest cosine with the query."""
    labels, rows = np.asarray(gallery_labels), normalised(gallery_GF)
    sums = np.zeros((classes, rows.shape[1]))
    np.add.at(sums, labels, rows)
    scores = normalised(query_QF) @ normalised(sums).T
    scores[:, np.bincount(labels, minlength=classes) == 0] = -np.inf
    return scores.argmax(1)
