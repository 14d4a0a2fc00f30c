"""The order of a stage: exact passes, evenly mixed, and the same for whoever asks."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fgtrain.data import stage_order
from fgtrain.data.mixture import StageOrder
from fgtrain.plan.arithmetic import samples_of, stage_samples

PASSES = st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.0, 2.34, 3.0])
MIXES = st.dictionaries(st.sampled_from("abcde"), st.tuples(PASSES, st.integers(1, 40)), min_size=1)


def order_of(mix: dict[str, tuple[float, int]], seed: int = 1, stage: str = "align") -> StageOrder:
    return stage_order(
        seed, stage, {n: samples_of(p, r) for n, (p, r) in mix.items()}, {n: r for n, (_, r) in mix.items()}
    )


@given(MIXES)
@settings(max_examples=60, deadline=None)
def test_a_pass_holds_every_row_once_and_a_partial_pass_none_twice(mix):
    order = list(order_of(mix))
    assert Counter(name for name, _, _ in order) == Counter({n: samples_of(*v) for n, v in mix.items()})
    assert len(set(order)) == len(order)  # no row twice in a pass
    for name, (passes, rows) in mix.items():
        for number in range(int(passes)):
            assert sorted(row for n, p, row in order if (n, p) == (name, number)) == list(range(rows))
        numbers = [p for n, p, _ in order if n == name]
        assert numbers == sorted(numbers)  # a pass ends before the next begins


@given(MIXES, st.integers(0, 2**40), st.sampled_from(["align", "sft"]))
@settings(max_examples=40, deadline=None)
def test_no_data_set_knows_of_the_others(mix, seed, stage):
    order = list(order_of(mix, seed, stage))
    for name in mix:
        alone = list(order_of({name: mix[name]}, seed, stage))
        assert [entry for entry in order if entry[0] == name] == alone


@given(MIXES)
@settings(max_examples=60, deadline=None)
def test_every_stretch_of_the_order_holds_the_data_sets_in_their_proportions(mix):
    order = order_of(mix)
    k = len(order.names)
    for i, name in enumerate(order.names):
        share = samples_of(*mix[name]) / max(len(order), 1)
        # The surplus of the first m samples, for every m. Of n samples with one key in each n-th of [0, 1), the first
        # key places hold n x their share, give or take one; k such sums are off by no more than this, whatever the mix.
        surplus = np.concatenate([[0.0], np.cumsum((order.data_set_S == i) - share)])
        assert np.ptp(surplus) <= 2 * ((1 - share) + share * (k - 1)) + 1e-9


def test_the_order_depends_on_seed_and_stage_and_every_pass_has_its_own():
    mix = {"a": (2.0, 50)}
    order = list(order_of(mix))
    assert order == list(order_of(mix))
    assert order != list(order_of(mix, seed=2))
    assert order != list(order_of(mix, stage="sft"))
    rows = [row for _, _, row in order]
    assert rows[:50] != rows[50:]


def test_more_passes_go_on_where_fewer_ended():
    """The first pass of ten is the first pass of one: a longer stage shows the same rows in the same order first."""
    one = [row for _, _, row in order_of({"a": (1.0, 30)})]
    half = [row for _, _, row in order_of({"a": (0.5, 30)})]
    ten = [row for _, _, row in order_of({"a": (10.0, 30)})]
    assert ten[:30] == one
    assert one[:15] == half


@pytest.mark.parametrize("passes", [10.0, 0.5, 2.5])
def test_each_pass_has_an_order_of_its_own_and_half_a_pass_is_a_drawn_half(passes):
    rows = [row for name, _, row in order_of({"a": (passes, 30), "b": (3.0, 7)}) if name == "a"]
    shown = Counter(rows)
    least = int(passes)
    assert Counter(shown.values()) == (
        {least: 30} if passes == least else {least: 15, least + 1: 15} if least else {1: 15}
    )
    each = [tuple(rows[start : start + 30]) for start in range(0, len(rows), 30)]
    assert len(set(each)) == len(each) == math.ceil(passes)
    assert not any(list(one) == sorted(one) for one in each)
    if passes != least:
        part = set(each[-1])
        assert part != set(range(15))  # not the file's beginning
        others = [
            {row for name, number, row in order_of({"a": (passes, 30)}, **change) if number == least}
            for change in ({"seed": 2}, {"stage": "sft"})
        ]
        assert all(other != part for other in others)


@given(MIXES, st.integers(1, 30), st.integers(1, 16))
@settings(max_examples=60, deadline=None)
def test_steps_scale_the_passes_and_leave_the_first_samples_of_each_data_set_as_they_were(mix, steps, size):
    passes, rows = {n: p for n, (p, _) in mix.items()}, {n: r for n, (_, r) in mix.items()}
    plain = {n: samples_of(*v) for n, v in mix.items()}
    scaled = stage_samples(passes, rows, steps, size)
    if not any(plain.values()):
        return
    order = stage_order(1, "align", scaled, rows)
    assert len(order) == sum(scaled.values()) == steps * size, "every step is full"
    for name in mix:
        exact = steps * size * plain[name] / sum(plain.values())
        assert abs(scaled[name] - exact) < 1, "one factor for all"
        ours = [entry for entry in order if entry[0] == name]
        theirs = [entry for entry in order_of(mix) if entry[0] == name]
        assert all(a == b for a, b in zip(ours, theirs, strict=False))


@given(MIXES, st.integers(1, 16))
@settings(max_examples=60, deadline=None)
def test_steps_that_the_passes_give_anyway_change_nothing(mix, size):
    passes, rows = {n: p for n, (p, _) in mix.items()}, {n: r for n, (_, r) in mix.items()}
    plain = stage_samples(passes, rows, None, size)
    if (total := sum(plain.values())) and total % size == 0:
        assert stage_samples(passes, rows, total // size, size) == plain


def test_what_rounding_leaves_goes_to_the_largest_remainders():
    rows = {"a": 10, "b": 10, "c": 10}
    assert stage_samples({"a": 1, "b": 1, "c": 1}, rows, 4, 5) == {"a": 7, "b": 7, "c": 6}
    assert stage_samples({"c": 1, "b": 1, "a": 1}, rows, 4, 5) == {"a": 7, "b": 7, "c": 6}, "however it is written"
    assert stage_samples({"a": 1, "b": 0.5}, rows, 2, 5) == {"a": 7, "b": 3}


def test_a_data_set_that_grows_leaves_the_order_of_the_others():
    mix = {"a": (2.5, 12), "b": (1.0, 9)}
    for change in ({"b": (1.0, 10)}, {"b": (7.0, 9)}, {"c": (0.5, 5)}):
        order = list(order_of({**mix, **change}))
        assert [entry for entry in order if entry[0] == "a"] == [e for e in order_of(mix) if e[0] == "a"]


def test_the_order_is_the_same_on_every_machine():
    """Written down once: another machine, or a library's next version, must not shuffle otherwise."""
    order = list(order_of({"a": (1.0, 5), "b": (0.5, 4)}, seed=17))
    assert [name for name, _, _ in order] == ["a", "a", "b", "a", "a", "b", "a"]
    assert [row for _, _, row in order] == [2, 0, 0, 3, 1, 3, 4]
