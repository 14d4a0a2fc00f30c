"""Uncertainty: questions about one image fall together, so images are resampled, not questions."""

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from data_builders.shared.seeding import draw

RESAMPLES = 9_999
ALIKE = 1e-9  # an interval narrower than that is none
BLOCK = 4_000_000  # drawn counts held at once


def cluster_index(clusters: Sequence[Hashable]) -> np.ndarray:
    """The number of each row's cluster [N], clusters numbered in the order of their names (not of the rows)."""
    names = [str(one) for one in clusters]
    places = {name: place for place, name in enumerate(sorted(set(names)))}
    return np.fromiter((places[name] for name in names), dtype=np.int64, count=len(names))


def sums_by(index_N: np.ndarray, columns_NC: np.ndarray) -> np.ndarray:
    """Sums of the columns over each cluster [K, C], in the order of the clusters' numbers; those without rows are left
    out."""
    _, dense = np.unique(index_N, return_inverse=True)
    count = int(dense.max()) + 1 if len(dense) else 0
    sums = [np.bincount(dense, weights=column, minlength=count) for column in columns_NC.T]
    return np.stack(sums, axis=1) if sums else np.zeros((count, 0))


def cluster_sums(clusters: Sequence[Hashable], columns_NC: np.ndarray) -> np.ndarray:
    """Sums of the columns over each cluster [K, C], clusters in the order of their names (not of the rows)."""
    return sums_by(cluster_index(clusters), columns_NC)


def resampled_totals(sums_KC: np.ndarray, resamples: int = RESAMPLES, address: tuple = ()) -> np.ndarray:
    """Column totals of `resamples` draws of K clusters with replacement, [resamples, C]; chance has an address."""
    clusters = len(sums_KC)
    generator = draw("bootstrap", clusters, *address)
    # Clusters with equal sums are interchangeable: how often each kind is drawn is multinomial. Right/wrong answers
    # make few kinds, so a benchmark of 100,000 images costs no more than one of 100.
    kinds_UC, of_cluster, members = np.unique(sums_KC, axis=0, return_inverse=True, return_counts=True)
    kinds = len(kinds_UC)
    few = 6 * kinds < clusters  # a multinomial count takes six times as long to draw as one cluster
    totals, step = [], max(1, BLOCK // (kinds if few else clusters))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        if few:
            counts = generator.multinomial(clusters, members / clusters, size=rows)
        else:
            drawn = of_cluster.ravel()[generator.integers(clusters, size=(rows, clusters))]
            drawn = drawn + np.arange(rows)[:, None] * kinds
            counts = np.bincount(drawn.ravel(), minlength=rows * kinds).reshape(rows, kinds)
        totals.append(counts @ kinds_UC)
    return np.concatenate(totals)


def interval(
    sums_KC: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    address: tuple = (),
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """95 % percentile interval of `statistic` (totals [..., C] -> [...]) under resampling of clusters."""
    return interval_of(statistic(resampled_totals(sums_KC, resamples, address)))


def interval_of(values: np.ndarray) -> tuple[float, float]:
    """The same of the statistic's values in the resamples; those where it is not defined do not count."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def unlike_share(clusters: int) -> float:
    """How many of all images may be unlike K that are all alike (Clopper-Pearson, 95 %): near 3.7 / K."""
    return 1 - 0.025 ** (1 / max(clusters, 1))


def clopper_pearson(shares: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The exact 95 % intervals of shares (0..1) of `n` images each; also where images are right in part."""
    from scipy.stats import beta

    right, wrong = shares * n, (1 - shares) * n
    low = np.where(right > 0, beta.ppf(0.025, np.maximum(right, ALIKE), wrong + 1), 0.0)
    high = np.where(wrong > 0, beta.ppf(0.975, right + 1, np.maximum(wrong, ALIKE)), 1.0)
    return low, high


def share_interval(share: float, low: float, high: float, clusters: int) -> tuple[float, float]:
    """Widen a share's interval where resampling cannot: all images are alike, or there is a single one.

    Where all are alike the rest may not be (`unlike_share`): so far as if those stood at either end, which is
    Clopper-Pearson's interval at 0 and 1. A single image tells nothing: 0..1.
    """
    if clusters <= 1:
        return 0.0, 1.0
    if high - low > ALIKE:
        return low, high
    unlike = unlike_share(clusters)
    return share * (1 - unlike), share + unlike * (1 - share)


def difference_interval(value: float, low: float, high: float, clusters: int) -> tuple[float, float]:
    """The same for a difference of two shares: those that are unlike may not have moved, or have moved by one."""
    if clusters <= 1:
        return -1.0, 1.0
    if high - low > ALIKE:
        return low, high
    unlike = unlike_share(clusters)
    return max(value - unlike, -1.0), min(value + unlike, 1.0)


def ratio(totals: np.ndarray) -> np.ndarray:
    """First column over second; NaN where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(totals[..., 1] > 0, totals[..., 0] / totals[..., 1], np.nan)


def clustered_mean(values: Sequence[float], clusters: Sequence[Hashable], address: tuple = ()) -> dict[str, float]:
    """Mean of `values` with its 95 % interval and standard error, resampling clusters: mean, low, high, se."""
    columns = np.stack([np.asarray(values, float), np.ones(len(values))], axis=1)
    sums = cluster_sums(clusters, columns)
    resampled = ratio(resampled_totals(sums, address=address))
    low, high = np.percentile(resampled, [2.5, 97.5])
    mean = float(np.mean(columns[:, 0]))
    return {"mean": mean, "low": float(low), "high": float(high), "se": float(np.std(resampled, ddof=1))}


def mcnemar_exact(a_right: Sequence[bool], b_right: Sequence[bool]) -> float:
    """Two-sided exact p that a and b are right equally often; 1 when they never differ."""
    a, b = np.asarray(a_right, bool), np.asarray(b_right, bool)
    return mcnemar_counts(int((a & ~b).sum()), int((~a & b).sum()))


def mcnemar_counts(only_a: int, only_b: int) -> float:
    """The same from the numbers of questions that only one of the two got right."""
    if only_a + only_b == 0:
        return 1.0
    from scipy import stats  # takes longer to import than most files to score

    return float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the order given."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    steps = p[order] * (len(p) - np.arange(len(p)))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(one) for one in adjusted]


class ImageBootstrap:
    """Resampling of K images that serves many sums: the draws are made once.

    A sum over thousands of images is normal as near as can be told; there its interval is computed, not drawn.
    """

    MOST = 2_000  # images that are drawn

    def __init__(self, clusters: int, resamples: int = RESAMPLES) -> None:
        self.clusters, self.counts = clusters, None
        if 1 < clusters <= self.MOST:
            generator = draw("bootstrap of sums", clusters)
            counts = np.empty((resamples, clusters), np.uint8)
            step = max(1, BLOCK // 10 // clusters)
            for start in range(0, resamples, step):
                rows = min(step, resamples - start)
                drawn = generator.integers(clusters, size=(rows, clusters)) + np.arange(rows)[:, None] * clusters
                counts[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, -1)
            self.counts = counts

    def ends(self, values_K: np.ndarray) -> tuple[float, float]:
        """How far below and above its value the sum of one number an image lies with 95 %: (low, high), low <= 0.

        NaN, NaN with a single image.
        """
        if self.clusters <= 1:
            return float("nan"), float("nan")
        centred = values_K - values_K.mean()
        if self.counts is None:
            half = 1.959964 * float(np.sqrt((centred**2).sum() * self.clusters / (self.clusters - 1)))
            return -half, half
        sums = np.concatenate(
            [self.counts[i : i + 500].astype(np.float32) @ centred for i in range(0, len(self.counts), 500)]
        )
        low, high = np.percentile(sums, [2.5, 97.5])
        return float(low), float(high)
