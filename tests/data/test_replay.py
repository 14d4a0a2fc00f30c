"""Which rows are replayed: to the row as many as asked, the most forgotten ones, and the same whoever chooses."""

from itertools import combinations

import numpy as np
import pytest

from fgtrain.data.replay import candidates, choose, divided
from fgtrain.errors import UserError

USABLE = {"count": range(30), "chart": range(20), "text": range(10)}
PLACES = candidates(3, "set", USABLE)
HOWS = ("random", "forgotten_sets", "forgotten_rows")


def rises_of(seed: int, means: dict[str, float]) -> dict[tuple[str, int], float]:
    rng = np.random.default_rng(seed)
    return {place: means[place[0]] + float(rng.normal(0, 0.5)) for place in PLACES}


RISES = rises_of(1, {"count": 1.0, "chart": 2.0, "text": -2.0})


def test_every_way_chooses_as_many_rows_and_always_the_same():
    for by in HOWS:
        for count in (1, 7, 40):
            chosen = choose(3, "set", by, count, PLACES, RISES)
            assert len(set(chosen)) == len(chosen) == count
            assert chosen == choose(3, "set", by, count, PLACES, RISES)
            assert chosen == sorted(chosen, key=PLACES.index)
    drawn = [choose(seed, name, "random", 7, PLACES, None) for seed, name in ((3, "set"), (4, "set"), (3, "other"))]
    assert all(a != b for a, b in combinations(drawn, 2))
    assert len(candidates(3, "set", USABLE, 12)) == 12
    assert set(candidates(3, "set", USABLE, 12)) < set(PLACES)
    assert candidates(3, "set", USABLE, 1000) == PLACES


def test_forgotten_sets_share_the_budget_by_the_rise_of_all_their_rows():
    for by in HOWS[1:]:
        chosen = choose(3, "set", by, 24, PLACES, RISES)
        whole = {name: sum(max(0.0, RISES[one]) for one in PLACES if one[0] == name) for name in ("count", "chart")}
        for name, rise in whole.items():
            assert abs(sum(one[0] == name for one in chosen) - 24 * rise / sum(whole.values())) < 1
        assert not [one for one in chosen if one[0] == "text"]  # it has gained
    flat = dict.fromkeys(PLACES, 0.7)  # all forgotten alike: as random rows on average
    parts = [sum(one[0] == name for one in choose(3, "set", "forgotten_sets", 12, PLACES, flat)) for name in USABLE]
    assert parts == [6, 4, 2]


def test_within_a_set_no_row_left_out_was_forgotten_more():
    chosen = choose(3, "set", "forgotten_rows", 24, PLACES, RISES)
    for name in ("count", "chart"):
        taken = {one for one in chosen if one[0] == name}
        mine = [one for one in PLACES if one[0] == name]
        best = max(combinations(mine[:12], 3), key=lambda some: sum(RISES[one] for one in some))  # brute force
        few = choose(3, "set", "forgotten_rows", 3, mine[:12], RISES)
        assert set(few) == set(best)
        assert min(RISES[one] for one in taken) >= max(RISES[one] for one in mine if one not in taken)
    halves = {place: f"{place[0]}/{place[1] % 2}" for place in PLACES}  # parts of sets, as their folders are
    chosen = choose(3, "set", "forgotten_rows", 24, PLACES, RISES, halves)
    for part in sorted({halves[one] for one in chosen}):
        mine = [one for one in PLACES if halves[one] == part]
        whole = sum(max(0.0, rise) for rise in RISES.values())
        taken = sum(halves[one] == part for one in chosen)
        assert abs(taken - 24 * sum(max(0.0, RISES[one]) for one in mine) / whole) < 1
        assert set(sorted(mine, key=RISES.get)[len(mine) - taken :]) == {one for one in chosen if halves[one] == part}
    tied = choose(3, "set", "forgotten_rows", 5, PLACES[:30], dict.fromkeys(PLACES, 1.0))
    assert tied == PLACES[:5]


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(UserError, match="60 rows to choose from"):
        choose(3, "set", "random", 61, PLACES, None)
    with pytest.raises(UserError, match="50 rows lie in sets that were forgotten"):
        choose(3, "set", "forgotten_rows", 51, PLACES, RISES)
    with pytest.raises(UserError, match="by: random"):
        choose(3, "set", "forgotten_sets", 1, PLACES, dict.fromkeys(PLACES, -1.0))


@pytest.mark.parametrize(
    ("count", "weights", "rooms", "parts"),
    [
        (10, (1, 1, 1), (9, 9, 9), (4, 3, 3)),
        (10, (8, 1, 1), (4, 9, 9), (4, 3, 3)),
        (10, (8, 1, 1), (4, 2, 9), (4, 2, 4)),
        (10, (1, 0, 0), (4, 9, 9), (4, 0, 0)),
        (3, (5, 3, 2), (9, 9, 9), (1, 1, 1)),
        (0, (1, 1, 1), (9, 9, 9), (0, 0, 0)),
    ],
)
def test_a_budget_is_divided_to_the_row(count, weights, rooms, parts):
    names = ("a", "b", "c")
    found = divided(count, dict(zip(names, weights, strict=True)), dict(zip(names, rooms, strict=True)))
    assert tuple(found.values()) == parts
