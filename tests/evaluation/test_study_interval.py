"""An interval over seeds and images holds the truth as often as it says, with three seeds too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.scoring.statistics import holm
from evaluation.study.seed_image_interval import seed_image_mean, sign_flip_floor
from evaluation.study.seed_noise import SeedNoise, noise_of_arms, noise_of_differences, own_noise, steadied

STUDIES = 600


def draws(generator, seeds: int, images: int, of_seed: float, of_image: float, own: float) -> np.ndarray:
    """Differences [seeds, images] whose true mean is zero: a seed's, an image's, and what a seed makes of an image."""
    return (
        of_seed * generator.standard_normal((seeds, 1))
        + of_image * generator.standard_normal((1, images))
        + own * generator.standard_normal((seeds, images))
    )


def mean_of(values_SK: np.ndarray):
    seeds_S = values_SK.mean(1)
    return seed_image_mean(seeds_S, (values_SK - seeds_S[:, None]) / values_SK.shape[1])


def holds_zero(values_SK: np.ndarray) -> bool:
    low, high = mean_of(values_SK).interval()
    return low <= 0 <= high


# What seeds, images and both together add to the variance of the mean: from images alone to seeds alone.
SHARES = [(0.0, 1.0, 0.3), (0.05, 1.0, 1.0), (0.1, 1.0, 1.0), (0.3, 1.0, 1.0), (1.0, 1.0, 1.0), (0.1, 0.3, 1.0)]


@pytest.mark.parametrize("shares", SHARES)
def test_at_three_seeds_the_interval_holds_the_truth_in_90_to_99_of_100_studies(shares):
    generator = np.random.default_rng(7)
    held = np.mean([holds_zero(draws(generator, 3, 60, *shares)) for _ in range(STUDIES)])
    assert 0.9 <= held <= 0.99


def test_right_and_wrong_answers_of_two_arms_paired_by_image_and_seed():
    generator = np.random.default_rng(3)

    def share(odds):
        return 1 / (1 + np.exp(-odds))

    def right(odds, easy_K, spread):
        seeds = odds + spread * generator.standard_normal((3, 1))
        return generator.random((3, len(easy_K))) < share(seeds + easy_K)

    for spread in (0.1, 0.6):
        many = [share(odds + generator.normal(0, (1.5**2 + spread**2) ** 0.5, 400_000)).mean() for odds in (0.5, 0.0)]
        truth, held = 100 * (many[0] - many[1]), 0
        for _ in range(STUDIES):
            easy_K = 1.5 * generator.standard_normal(80)
            values = 100.0 * (right(0.5, easy_K, spread).astype(float) - right(0.0, easy_K, spread))
            low, high = mean_of(values).interval()
            held += low <= truth <= high
        assert 0.9 <= held / STUDIES <= 0.99


def share_held(spreads, studies=2000):
    """How often the interval of the first arm minus the second holds the truth; `spreads`: each arm's over seeds."""
    generator, held = np.random.default_rng(11), 0
    for _ in range(studies):
        values_AS = generator.standard_normal((len(spreads), 3)) * np.asarray(spreads)[:, None]
        study = noise_of_differences({str(arm): dict(enumerate(row)) for arm, row in enumerate(values_AS.tolist())})
        # no image differs: seeds alone make the interval
        mean = seed_image_mean(values_AS[0] - values_AS[1], np.zeros((3, 0)), study=study)
        low, high = mean.interval()
        held += low <= 0 <= high
    return held / studies


@pytest.mark.parametrize("spreads", [[1] * 4, [1] * 12, [3, 1, 1, 1], [3, 3, 1, 1], [1, 1, 3, 3], [3] + [1] * 11])
def test_steadied_by_other_arms_an_interval_holds_the_truth_though_arms_vary_unequally(spreads):
    assert 0.9 <= share_held(spreads) <= 0.995


def test_the_variance_of_all_arms_alone_would_not():
    generator, held = np.random.default_rng(11), 0
    for _ in range(1000):
        values_AS = generator.standard_normal((12, 3)) * np.asarray([3] + [1] * 11)[:, None]
        study = noise_of_differences({str(arm): dict(enumerate(row)) for arm, row in enumerate(values_AS.tolist())})
        held += abs((values_AS[0] - values_AS[1]).mean()) <= 2.07 * (study.variance / 3) ** 0.5
    assert held / 1000 < 0.85


def test_of_two_arms_there_are_no_others_to_steady_them():
    values = {"a": {17: 1.0, 18: 3.0, 19: 2.0}, "b": {17: 0.0, 18: 5.0, 19: 2.5}}
    own = own_noise(np.asarray([1.0, -2.0, -0.5]))
    assert noise_of_differences(values) == SeedNoise(pytest.approx(own.variance), own.freedom)
    assert steadied(own, noise_of_differences(values)) is own
    assert noise_of_differences({"a": {17: 1.0}, "b": {17: 2.0}}) is None
    assert noise_of_arms(values).freedom == 4


def test_a_percentile_bootstrap_over_three_seeds_and_their_images_does_not():
    generator, held, studies, resamples, images = np.random.default_rng(7), 0, 200, 300, 60
    for _ in range(studies):
        values = draws(generator, 3, images, 1.0, 1.0, 1.0)
        weights = generator.multinomial(images, np.full(images, 1 / images), size=resamples) / images
        seeds = generator.integers(3, size=(resamples, 3))
        means = np.take_along_axis((values @ weights.T).T, seeds, axis=1).mean(1)
        low, high = np.percentile(means, [2.5, 97.5])
        held += low <= 0 <= high
    assert held / studies < 0.85


def test_of_studies_without_a_difference_five_in_a_hundred_have_p_below_5_percent_at_most():
    generator = np.random.default_rng(5)
    for shares in SHARES[1:5:3]:
        p = [mean_of(draws(generator, 3, 60, *shares)).p_value() for _ in range(STUDIES)]
        assert np.mean(np.asarray(p) < 0.05) <= 0.075


@given(st.integers(2, 6), st.integers(2, 40), st.floats(-2, 2), st.integers(0, 1000))
def test_p_is_below_5_percent_exactly_where_the_interval_leaves_zero_out(seeds, images, shift, number):
    values = draws(np.random.default_rng(number), seeds, images, 0.5, 1.0, 1.0) + shift
    mean = mean_of(values)
    low, high = mean.interval()
    assert low < mean.value < high
    assert (mean.p_value() < 0.05) == (not low <= 0 <= high)


@given(st.integers(2, 5), st.integers(2, 30), st.integers(0, 1000))
def test_seeds_make_an_interval_wider_never_narrower_than_images_alone(seeds, images, number):
    values = draws(np.random.default_rng(number), seeds, images, 0.2, 1.0, 1.0)
    mean = mean_of(values)
    alone = mean_of(values.mean(0)[None])
    assert mean.half_width(0.05) >= alone.half_width(0.05) * (1 - 1e-9)
    assert alone.covers == "images only"
    assert alone.p_value() is None


def test_seeds_and_images_add_up():
    images_K = np.random.default_rng(2).standard_normal(40)
    images_K -= images_K.mean()
    seeds_S = np.asarray([1.0, 4.0, 2.5])
    both = seed_image_mean(seeds_S, np.stack([images_K] * 3))  # images do the same to every seed
    seeds = seeds_S.var(ddof=1) / 3 * 4.302653**2
    images = 40 / 39 * (images_K**2).sum() * 2.022691**2
    assert both.half_width(0.05) ** 2 == pytest.approx(seeds + images, rel=1e-4)


def test_where_no_image_differs_the_interval_is_as_wide_as_so_many_images_allow():
    for seeds in (1, 3):
        widths = []
        for images in (10, 100, 1000):
            low, high = seed_image_mean(np.full(seeds, 50.0), np.zeros((seeds, images))).interval()
            widths.append(high - low)
        assert widths == sorted(widths, reverse=True)
        assert 0 < widths[-1] < widths[0]


def test_images_that_cannot_be_followed_add_their_variance():
    generator = np.random.default_rng(1)
    for seeds in (1, 3):
        values = draws(generator, seeds, 50, 0.0, 1.0, 1.0)
        influence = (values - values.mean(1)[:, None]) / 50
        narrow = seed_image_mean(values.mean(1), influence).interval()
        wide = seed_image_mean(values.mean(1), influence, apart=4.0, all_images=100).interval()
        assert wide[1] - wide[0] > 2 * 1.9 * 2.0 > narrow[1] - narrow[0]


def test_the_floor_of_a_test_that_flips_signs():
    assert [sign_flip_floor(seeds) for seeds in (1, 2, 3, 5)] == [1.0, 0.5, 0.25, 0.0625]


def test_holm_is_over_all_tests():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
