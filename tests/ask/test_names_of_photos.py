"""What the likelihoods of names make of a photo."""

import math
from pathlib import Path

import pytest

from fgtrain.ask.names import Names, chosen_names, names_of_file
from fgtrain.errors import UserError
from fgtrain.runs.names import NameList

TREE = NameList(
    "birds",
    "Which species?",
    ("class", "genus", "species"),
    (("aves", "gull", "herring gull"), ("aves", "gull", "common gull"), ("aves", "tern", "arctic tern")),
)
ALL = ("herring gull", "common gull", "arctic tern", "gull", "tern", "aves")


@pytest.mark.parametrize(
    ("probabilities", "name", "level", "share", "uncertain"),
    [
        # herring gull, common gull, arctic tern, gull, tern, aves
        ((0.6, 0.2, 0.1, 0.0, 0.0, 0.0), "herring gull", "species", 0.6 / 0.9, ""),
        ((0.4, 0.3, 0.1, 0.0, 0.0, 0.0), "gull", "genus", 0.7 / 0.8, ""),  # neither has more than half
        ((0.2, 0.1, 0.1, 0.5, 0.0, 0.0), "gull", "genus", 0.8 / 0.9, ""),  # said as it is, it counts beside its species
        ((0.3, 0.1, 0.4, 0.0, 0.0, 0.0), "", "", 0.5, "half"),  # exactly half is not more
        ((0.1, 0.1, 0.1, 0.0, 0.0, 0.6), "", "", 0.6 / 0.9, "half"),  # all are birds: that tells nothing
        ((0.3, 0.0, 0.1, 0.0, 0.0, 0.0), "", "", 0.75, "list"),  # it would say something else
    ],
)
def test_the_finest_name_with_more_than_half(probabilities, name, level, share, uncertain):
    names = Names(TREE)
    assert names.all == ALL
    found = names.named([math.log(p) if p else -math.inf for p in probabilities])
    assert (found.name, found.level, found.uncertain) == (name, level, uncertain)
    assert found.probability == pytest.approx(share)
    assert found.listed == pytest.approx(sum(probabilities))
    shares = [one[2] for one in found.likeliest]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(max(probabilities) / sum(probabilities))


def test_a_name_of_two_levels_is_the_finer_ones():
    names = Names(NameList("aircraft", "Which?", ("family", "variant"), (("DC-6", "DC-6"), ("A320", "A321"))))
    found = names.named([math.log(p) for p in (0.9, 0.05, 0.05)])
    assert names.all == ("DC-6", "A321", "A320")
    assert (found.name, found.level) == ("DC-6", "variant")


def test_no_probability_is_too_small():
    found = Names(TREE).named([-900.0, -1000.0, -1000.0, -1000.0, -1000.0, -1000.0])
    assert (found.likeliest[0], found.uncertain) == (("herring gull", "species", 1.0), "list")


def test_which_list_is_meant(tmp_path: Path):
    cars = NameList("cars", "Which car?", ("model",), (("a",), ("b",)))
    assert chosen_names([TREE], None) is TREE
    assert chosen_names([], None) is None
    assert chosen_names([TREE, cars], "cars") is cars
    (tmp_path / "mine.txt").write_text("one\n\n two \none\n")
    (tmp_path / "mine.csv").write_text("species,genus\nfish crow,corvus\ncommon raven,corvus\nmagpie,pica\n")
    (tmp_path / "one.txt").write_text("one\n")
    plain, tree = (names_of_file(tmp_path / name) for name in ("mine.txt", "mine.csv"))
    assert plain.categories == (("one",), ("two",))
    assert (tree.levels, tree.categories[0]) == (("genus", "species"), ("corvus", "fish crow"))
    assert "species" in tree.question
    for lists, wanted, told in (
        ([TREE, cars], None, "--names birds"),
        ([TREE], "bird", "Did you mean birds?"),
        ([], "none.txt", "no such file"),
    ):
        with pytest.raises(UserError, match=told):
            chosen_names(lists, wanted)
    with pytest.raises(UserError, match="two at least"):
        names_of_file(tmp_path / "one.txt")
