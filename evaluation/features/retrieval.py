"""Image retrieval: standard mean average precision and recall@k first, the released class ranking beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .similarity import MEMORY, similarity_blocks

RELEASED_GALLERY = 20_000  # the released script looks no further
RELEASED_NEIGHBOURS = 10
PAIR_EPS = 1e-6  # what torch's pairwise_distance adds to every difference


@dataclass(frozen=True)
class Retrieval:
    """One value a query. Where the gallery holds nothing relevant all are 0 and `has_positive` is False."""

    ap: np.ndarray  # average precision, 0..1
    hit: dict[int, np.ndarray]  # is any of the first k relevant ("recall@k" of metric learning)
    recall: dict[int, np.ndarray]  # share of the relevant that is among the first k
    has_positive: np.ndarray


class Relevant:
    """Where each class stands in the gallery."""

    def __init__(self, gallery_labels: np.ndarray) -> None:
        self.order = np.argsort(gallery_labels, kind="stable")
        self.sorted = np.asarray(gallery_labels)[self.order]

    def of(self, label: int) -> np.ndarray:
        first, last = np.searchsorted(self.sorted, [label, label + 1])
        return self.order[first:last]


def retrieve(
    query_QF: np.ndarray,
    query_labels: Sequence[int],
    gallery_GF: np.ndarray,
    gallery_labels: Sequence[int],
    *,
    ks: tuple[int, ...] = (1, 5, 10),
    itself: Sequence[int] | None = None,
    memory: int = MEMORY,
    dtype: type | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Retrieval:
    """Rank the whole gallery by cosine for every query.

    Average precision sums over steps and takes equal scores together, as scikit-learn does; ranks for hits break ties
    by the gallery's order. `itself`: where each query stands in the gallery (it is then left out of its own ranking).
    """
    query_labels, gallery_labels = np.asarray(query_labels), np.asarray(gallery_labels)
    relevant, queries = Relevant(gallery_labels), len(query_labels)
    ap, has = np.zeros(queries), np.zeros(queries, bool)
    hit = {k: np.zeros(queries, bool) for k in ks}
    recall = {k: np.zeros(queries) for k in ks}
    for start, scores_BG in similarity_blocks(query_QF, gallery_GF, dtype=dtype, memory=memory, itself=itself):
        for row, scores in enumerate(scores_BG):
            query = start + row
            positives = relevant.of(query_labels[query])
            if itself is not None:
                positives = positives[positives != itself[query]]
            if not len(positives):
                continue
            has[query] = True
            own = scores[positives]
            ranks = _ranks(scores, own, positives)
            ap[query] = average_precision(scores, own)
            for k in ks:
                found = int((ranks <= k).sum())
                hit[k][query], recall[k][query] = found > 0, found / len(positives)
        advance(len(scores_BG))
    return Retrieval(ap, hit, recall, has)


def average_precision(scores: np.ndarray, positive_scores: np.ndarray) -> float:
    """Mean over the positives of the precision at their score, everything of that score included."""
    above = np.sort(scores)
    own = np.sort(positive_scores)
    at_least = len(above) - np.searchsorted(above, own, "left")
    positives_at_least = len(own) - np.searchsorted(own, own, "left")
    return float(np.mean(positives_at_least / at_least))


def _ranks(scores: np.ndarray, own: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """1-based rank of each positive; of equal scores the one that stands first in the gallery comes first."""
    above = np.sort(scores)
    ranks = len(above) - np.searchsorted(above, own, "right") + 1
    equal = np.searchsorted(above, own, "right") - np.searchsorted(above, own, "left")
    for place in np.nonzero(equal > 1)[0]:
        ranks[place] += int((scores[: positives[place]] == own[place]).sum())
    return ranks


@dataclass(frozen=True)
class ClassRanking:
    """The released rule's average precision a query, and between which values the order of tied classes can move it."""

    ap: np.ndarray  # expected over the order of tied classes
    best: np.ndarray
    worst: np.ndarray
    among_neighbours: np.ndarray  # the true class is among the ten neighbours: then nothing is tied


def fgbmk_class_map(
    query_QF: np.ndarray,
    query_labels: Sequence[int],
    gallery_GF: np.ndarray,
    gallery_labels: Sequence[int],
    *,
    classes: int,
    memory: int = MEMORY,
) -> ClassRanking:
    """Rank classes by their nearest picture among the ten nearest (Euclidean): the AP is 1 / rank of the true class.

    As the released evaluation with an identity head. All classes without such a neighbour share one score, and the
    released code breaks that tie at random; here the mean over all orders stands for it.
    """
    query_labels, gallery_labels = np.asarray(query_labels), np.asarray(gallery_labels)
    gallery = np.asarray(gallery_GF[:RELEASED_GALLERY], np.float64)
    gallery_labels = gallery_labels[:RELEASED_GALLERY]
    inverse = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, classes + 1))])  # sums of 1 / rank
    squares, sums = (gallery**2).sum(1), gallery.sum(1)
    rows = max(1, memory // (8 * max(1, len(gallery))))
    results = np.zeros((4, len(query_labels)))
    for start in range(0, len(query_labels), rows):
        part = np.asarray(query_QF[start : start + rows], np.float64)
        # |q - g + eps|^2, written out so that it is one matrix product
        distances = (part**2).sum(1)[:, None] + squares - 2 * part @ gallery.T
        distances += 2 * PAIR_EPS * (part.sum(1)[:, None] - sums) + part.shape[1] * PAIR_EPS**2
        nearest = np.argsort(distances, axis=1, kind="stable")[:, :RELEASED_NEIGHBOURS]
        for row, neighbours in enumerate(nearest):
            present = list(dict.fromkeys(gallery_labels[neighbours].tolist()))  # in order of their nearest picture
            label = int(query_labels[start + row])
            if label in present:
                value = 1 / (present.index(label) + 1)
                results[:, start + row] = value, value, value, 1
            else:
                first = len(present) + 1
                mean = (inverse[classes] - inverse[first - 1]) / max(1, classes - first + 1)
                results[:, start + row] = mean, 1 / first, 1 / max(first, classes), 0
    ap, best, worst, among = results
    return ClassRanking(ap, best, worst, among.astype(bool))
