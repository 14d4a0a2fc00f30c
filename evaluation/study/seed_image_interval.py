"""The 95 % interval of a mean over seeds that covers new seeds and new images, and its p value.

A score varies with the seed (another training would have ended elsewhere) and with the images (another benchmark would
have asked others). Seeds and images are crossed: every seed is asked the same images. So, as in an analysis of variance
with two random factors, the squared standard error of a mean over S seeds and K images has two parts:

- seeds: the variance of the seeds' values over S. It holds what each seed makes of single images, too.
- images: what the images have in common over the seeds, which no number of seeds averages away: the variance over
  images of the mean over seeds, less the share of it that is only the seeds' own (the interaction).

Their half-widths, each with the quantile of Student's t for its own degrees of freedom, are added in quadrature. The
result is never narrower than the interval over images alone. A variance of few seeds is steadied by that of the whole
study (`seed_noise`), where there are more than two arms. In the simulations of tests/evaluation/test_study_interval.py
the interval holds the truth in 90 to 99 % of the studies at 3 seeds, whatever the shares of seeds and images are, where
the percentile bootstrap (seeds drawn with replacement, then images) holds it in under 80 % where seeds matter most: it
makes the variance of three seeds a third too small, and takes it for known.

The p value is the level at which the interval just reaches zero, two-sided. It takes the seeds' values as normal, which
nobody can check with three of them: a test that assumes nothing of them but symmetry (flipping signs) cannot go below
2 / 2^S, a quarter with three seeds (`sign_flip_floor`).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..scoring.statistics import ImageBootstrap, unlike_share
from .seed_noise import SeedNoise, own_noise, steadied

Z95 = 1.959964
ALIKE = 1e-7  # points: an influence smaller than that is none


@dataclass(frozen=True)
class SeedImageMean:
    """A mean over seeds, in points, and what moves it (variances of the mean, points squared)."""

    value: float
    seeds: int
    images: int
    seed_variance: float  # 0 with one seed: not known
    seed_freedom: int  # degrees of freedom of that variance
    shared_image_variance: float  # of what the images do to all seeds alike
    image_variance: float  # of the mean over these very seeds
    image_ends: tuple[float, float]  # of the interval over images alone, relative to `value`

    @property
    def covers(self) -> str:
        """What the interval covers."""
        if not self.images:
            return "seeds only" if self.seeds > 1 else "one seed"
        return "seeds and images" if self.seeds > 1 else "images only"

    def half_width(self, level: float) -> float:
        """Half of the two-sided interval that leaves `level` out (0.05: the 95 % interval)."""
        seeds = quantile(level, self.seed_freedom) ** 2 * self.seed_variance if self.seeds > 1 else 0.0
        of_images = quantile(level, max(self.images - 1, 1)) ** 2
        return max(seeds + of_images * self.shared_image_variance, of_images * self.image_variance) ** 0.5

    def interval(self) -> tuple[float, float]:
        """The 95 % interval; with one seed that over images alone, as the report of a single run has it."""
        low, high = self.image_ends
        half = self.half_width(0.05) if self.seeds > 1 else 0.0
        return self.value + min(low, -half), self.value + max(high, half)

    def share_interval(self) -> tuple[float, float]:
        """The same of a share in percent, which is never below 0 or above 100."""
        low, high = self.interval()
        return max(low, 0.0), min(high, 100.0)

    def p_value(self) -> float | None:
        """That the mean is zero, two-sided; None with one seed, which cannot tell."""
        if self.seeds < 2:
            return None
        lowest, highest = 1e-12, 1.0
        if self.half_width(lowest) < abs(self.value):
            return lowest
        for _ in range(60):  # the half-width falls as the level rises
            middle = (lowest * highest) ** 0.5
            lowest, highest = (middle, highest) if self.half_width(middle) > abs(self.value) else (lowest, middle)
        return highest


def seed_image_mean(
    values_S: np.ndarray,
    influence_SK: np.ndarray,
    *,
    apart: float = 0.0,
    all_images: int | None = None,
    study: SeedNoise | None = None,
) -> SeedImageMean:
    """The mean of the seeds' values.

    `influence_SK`: how much each image moves each seed's value (points; a row sums to zero). `apart`: variance of the
    mean from images that cannot be followed one by one (no answers on disk); `all_images`: with those counted.
    `study`: how much such values vary with the seed in the whole study.
    """
    seeds, images = influence_SK.shape
    all_images = images if all_images is None else all_images
    value = float(values_S.mean())
    common_K = influence_SK.mean(0)
    scale = images / (images - 1) if images > 1 else 1.0
    image_variance = scale * float((common_K**2).sum())
    ends = image_bootstrap(images).ends(common_K) if image_variance else (0.0, 0.0)
    if images and not np.abs(influence_SK).max() > ALIKE:
        # Every image alike: as sure as so many images can make it (the exact bound of a share of 0 or 1).
        bound = 100 * unlike_share(images)
        image_variance, ends = (bound / Z95) ** 2, (-bound, bound)
    if seeds == 1:
        if apart:
            half = Z95 * (apart + ((ends[1] - ends[0]) / 2 / Z95) ** 2) ** 0.5
            ends = (-half, half)
        return SeedImageMean(value, 1, all_images, 0.0, 0, image_variance + apart, image_variance + apart, ends)
    own_SK = influence_SK - common_K
    own_variance = scale * float((own_SK**2).sum()) / ((seeds - 1) * seeds)
    noise = steadied(own_noise(values_S), study)
    return SeedImageMean(
        value=value,
        seeds=seeds,
        images=all_images,
        seed_variance=noise.variance / seeds,
        seed_freedom=noise.freedom,
        shared_image_variance=max(image_variance - own_variance, 0.0) + apart,
        image_variance=image_variance + apart,
        image_ends=(0.0, 0.0),
    )


def sign_flip_floor(seeds: int) -> float:
    """The smallest two-sided p that so many seeds can give to a test that assumes nothing but symmetry."""
    return min(1.0, 2.0 ** (1 - seeds))


@lru_cache(maxsize=1024)
def quantile(level: float, freedom: int) -> float:
    """Of Student's t: what is exceeded, on either side, in `level` of the cases."""
    from scipy.special import stdtrit  # takes longer to import than most studies to answer

    return float(-stdtrit(freedom, level / 2))


@lru_cache(maxsize=4)
def image_bootstrap(images: int) -> ImageBootstrap:
    return ImageBootstrap(images)
