"""Uncertainty: clusters are resampled, chance has an address, exact tests are exact."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.scoring.statistics import (
    ImageBootstrap,
    cluster_index,
    cluster_sums,
    clustered_mean,
    holm,
    interval,
    mcnemar_exact,
    ratio,
    share_interval,
)

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name):
    return [json.loads(line) for line in (GOLDEN / name).read_text(encoding="utf-8").split("\n") if line]


def bits(text):
    return np.array([one == "1" for one in text], float)


def test_questions_of_one_image_are_not_independent_witnesses():
    right = np.tile([1.0, 0.0, 1.0, 1.0], 10)
    apart = clustered_mean(right, range(40))
    together = clustered_mean(np.repeat(right, 6), np.repeat(np.arange(40), 6))
    naive = clustered_mean(np.repeat(right, 6), range(240))
    assert together["se"] == pytest.approx(apart["se"], rel=0.05)
    assert naive["se"] < 0.6 * together["se"]


@given(st.permutations(range(12)))
def test_interval_does_not_depend_on_the_order_of_rows(order):
    values = np.array([1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 1, 1.0])
    clusters = np.array(list("aabbccddeeff"))
    assert clustered_mean(values[list(order)], clusters[list(order)]) == clustered_mean(values, clusters)


def test_the_same_address_draws_the_same_and_another_does_not():
    sums = cluster_sums(range(30), np.stack([np.arange(30) % 3, np.ones(30)], axis=1))
    assert interval(sums, ratio, address=("a",), resamples=99) == interval(sums, ratio, address=("a",), resamples=99)
    assert interval(sums, ratio, address=("a",), resamples=99) != interval(sums, ratio, address=("b",), resamples=99)


def test_both_ways_to_resample_draw_from_the_same_distribution():
    # few kinds of clusters are drawn as counts, many one by one; a tiny jitter switches the way, nothing else
    values = bits("1101001110" * 20)
    few = clustered_mean(values, range(200))
    many = clustered_mean(values + np.arange(200) * 1e-9, range(200))
    assert {key: pytest.approx(value, abs=0.01) for key, value in few.items()} == many
    assert few["se"] == pytest.approx(np.sqrt(0.6 * 0.4 / 200), rel=0.05)
    assert many["se"] == pytest.approx(np.sqrt(0.6 * 0.4 / 200), rel=0.05)


def test_a_share_of_zero_or_one_and_a_single_image_still_have_an_interval():
    assert share_interval(1.0, 1.0, 1.0, 20) == (pytest.approx(0.025 ** (1 / 20)), 1.0)
    assert share_interval(0.0, 0.0, 0.0, 20) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20)))
    assert share_interval(0.5, 0.5, 0.5, 1) == (0.0, 1.0)
    assert share_interval(0.5, 0.4, 0.6, 20) == (0.4, 0.6)


def test_paired_difference_is_narrower_than_its_parts_when_answers_go_together():
    a = bits("110100111010110100111010" * 4)
    b = a.copy()
    b[::12] = 0
    difference = clustered_mean(a - b, range(len(a)))
    assert difference["mean"] == pytest.approx((a - b).mean())
    assert difference["se"] < clustered_mean(a, range(len(a)))["se"]


def test_mcnemar_by_hand():
    # 5 against 0 discordant: 2 * (1/2)^5
    assert mcnemar_exact([1] * 5 + [1, 0], [0] * 5 + [1, 0]) == pytest.approx(2 * 0.5**5)
    assert mcnemar_exact([1, 0], [1, 0]) == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_mcnemar_agrees_with_the_reference_rows():
    rows, total = golden("mcnemar.dev.jsonl"), json.loads((GOLDEN / "mcnemar.dev.total.json").read_text())
    significant = 0
    for row in rows:
        p = mcnemar_exact(bits(row["a_correct"]), bits(row["b_correct"]))
        assert p == pytest.approx(row["expected"]["exact_p_statsmodels"], rel=1e-9), row["id"]
        significant += p < 0.05
    assert (len(rows), significant) == (total["rows"], total["significant_exact_0_05"])


def test_clustered_bootstrap_lies_in_the_band_of_the_reference():
    for row in golden("clustered_bootstrap.dev.jsonl"):
        a, b = bits(row["a_correct"]), bits(row["b_correct"])
        for key, values in {"a": a, "b": b, "difference_a_minus_b": a - b}.items():
            got, wanted = clustered_mean(values, row["cluster"]), row["expected"][key]
            reference = wanted["bootstrap_percentile_95"]
            band = 0.15 * (reference["high"] - reference["low"]) / 2 + 0.002
            assert got["mean"] == pytest.approx(wanted["mean"], abs=1e-12)
            assert got["low"] == pytest.approx(reference["low"], abs=band)
            assert got["high"] == pytest.approx(reference["high"], abs=band)
            assert got["se"] == pytest.approx(reference["se"], rel=0.1)


def test_sums_over_images_have_the_same_interval_as_the_clustered_bootstrap():
    """The bootstrap of single sums (first order) against that of the ratio, on the reference rows."""
    for row in golden("clustered_bootstrap.dev.jsonl"):
        values = bits(row["a_correct"]) - bits(row["b_correct"])
        index = cluster_index(row["cluster"])
        if len(set(row["cluster"])) < 20:  # where first order is a fair likeness
            continue
        influence = np.bincount(index, (values - values.mean()) / len(values))
        low, high = ImageBootstrap(len(influence)).ends(influence)
        wanted = row["expected"]["difference_a_minus_b"]["bootstrap_percentile_95"]
        band = 0.12 * (wanted["high"] - wanted["low"]) + 0.002
        assert values.mean() + low == pytest.approx(wanted["low"], abs=band), row["id"]
        assert values.mean() + high == pytest.approx(wanted["high"], abs=band), row["id"]


def test_drawn_and_computed_intervals_of_sums_agree():
    values = np.sin(np.arange(ImageBootstrap.MOST)) / ImageBootstrap.MOST
    drawn = ImageBootstrap(len(values)).ends(values)
    computed = ImageBootstrap(2 * len(values)).ends(np.concatenate([values, values]) / 2**0.5)
    assert drawn == pytest.approx(computed, rel=0.05)


def test_a_single_image_tells_no_interval():
    assert np.isnan(ImageBootstrap(1).ends(np.ones(1))).all()
