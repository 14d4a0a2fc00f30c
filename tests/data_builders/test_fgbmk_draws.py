"""How FG-BMK's wrong labels and options are drawn, against the published files of CUB."""

from collections import Counter

import pytest
from question_texts import asked_label, options_of, wording
from scipy.stats import chisquare

from data_builders.build import build
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl
from data_builders.shared.seeding import Draws
from data_builders.sources import load_source
from data_builders.wrong_labels import LabelPool

TRACK = "FG-BMK/human-oriented/hierarchical_granularity_recognition"
LEVELS = ("class", "genus", "species")
CASES = [(level, kind) for level in LEVELS for kind in ("choice", "true_false", "short_answer")]


def genus(species: str) -> str:
    return species.split()[-1]


def rows_in(data, level, kind):
    name = "class_question_true_flase" if (level, kind) == ("class", "true_false") else f"{level}_question_{kind}"
    return list(read_jsonl(data / TRACK / "cub" / level / f"{name}.jsonl"))


@pytest.fixture(scope="module")
def published(shared):
    """(level, kind) -> rows; FG-BMK has short answers at the finest level only."""
    cases = [case for case in CASES if case[1] != "short_answer" or case[0] == "species"]
    return {case: rows_in(shared / "data", *case) for case in cases}


@pytest.fixture(scope="module")
def ours(shared, published, tmp_path_factory):
    """The same from the pictures' lists. Ours are 30 of 200 species, and the published questions draw wrong labels
    from the 200: the names are those that the published questions mention."""
    out = tmp_path_factory.mktemp("agreement")
    species, genera = set(), set()
    for names, level in ((species, "species"), (genera, "genus")):
        names.update(option for row in published[level, "choice"] for option in options_of(row["text"]))
        names.update(asked_label(row["text"]) for row in published[level, "true_false"])
    # Two genera are mentioned by themselves only; each has one species, of that name.
    species |= genera - {genus(name) for name in species}
    lines = ["class,genus,species", *(f"aves,{genus(name)},{name}" for name in sorted(species))]
    (out / "labels.csv").write_text("\n".join(lines) + "\n")
    options = {"source": "cub", "labels": str(out / "labels.csv")}
    build("fgbmk", root=shared / "data/CUB_200_2011", out=out, options=options)
    return {case: rows_in(out, *case) for case in published}


def test_the_same_images_are_asked_about_in_the_same_wordings(published, ours):
    for case, theirs in published.items():
        assert {row["image"] for row in ours[case]} == {row["image"] for row in theirs}, case
        assert len(ours[case]) == len(theirs)
        assert [list(row) for row in ours[case]] == [list(row) for row in theirs]
        assert {row["category"] for row in ours[case]} == {row["category"] for row in theirs}
        counts = Counter(wording(row, case[1]) for row in ours[case])
        assert counts.keys() == {wording(row, case[1]) for row in theirs}, case
        assert chisquare(list(counts.values())).pvalue > 0.01, case


def test_gold_answers_are_the_same(published, ours):
    for (level, kind), theirs in published.items():
        if kind != "true_false":
            gold = {row["image"]: row["class"] for row in theirs}
            assert {row["image"]: row["class"] for row in ours[level, kind]} == gold


def test_half_of_the_statements_are_true_and_every_answer_is_right(shared, published, ours):
    truth = {row.image: row for row in load_source("cub", shared / "data/CUB_200_2011").images}
    for level in LEVELS:
        for rows in (published[level, "true_false"], ours[level, "true_false"]):
            for row in rows:
                image = truth[row["image"]]
                label = image.category if level == "species" else image.parents[level]
                assert (asked_label(row["text"]) == label) == (row["class"] == "yes")
        assert sum(row["class"] == "yes" for row in ours[level, "true_false"]) == len(ours[level, "true_false"]) / 2
        assert sum(row["class"] == "yes" for row in published[level, "true_false"]) == pytest.approx(150, abs=20)


def sibling_shares(found, truth):
    """Share of siblings among wrong statements and wrong options, over all species and over those that have some."""
    names = {name for row in found["species", "choice"] for name in options_of(row["text"])}
    have = Counter(map(genus, names))
    shares = []
    wrong = [(truth[row["image"]], asked_label(row["text"])) for row in found["species", "true_false"]]
    offered = [(row["class"], option) for row in found["species", "choice"] for option in options_of(row["text"])]
    for pairs in (wrong, offered):
        pairs = [(right, other) for right, other in pairs if other != right]
        for chosen in (pairs, [pair for pair in pairs if have[genus(pair[0])] > 1]):
            shares.append(sum(genus(right) == genus(other) for right, other in chosen) / len(chosen))
    return shares


def test_siblings_are_drawn_as_often_as_published(published, ours):
    truth = {row["image"]: row["class"] for row in published["species", "short_answer"]}
    theirs, mine = sibling_shares(published, truth), sibling_shares(ours, truth)
    assert mine == pytest.approx(theirs, abs=0.03)
    assert mine[1] == theirs[1] == 1  # a wrong statement about a species with siblings always names one


def test_options_are_four_and_the_right_one_stands_anywhere(published, ours):
    for level in LEVELS:
        for rows in (published[level, "choice"], ours[level, "choice"]):
            places = Counter()
            for row in rows:
                options = options_of(row["text"])
                assert len(set(options)) == len(options) == 4
                places[options.index(row["class"])] += 1
            assert chisquare([places[place] for place in range(4)]).pvalue > 0.01


def test_wrong_labels_come_from_all_200_species(published, ours):
    """Beyond siblings, as many different names as published are drawn."""
    counts = []
    for found in (published, ours):
        options = ((row["class"], option) for row in found["species", "choice"] for option in options_of(row["text"]))
        counts.append(len({option for right, option in options if genus(option) != genus(right)}))
    assert counts[1] == pytest.approx(counts[0], rel=0.1)


def test_a_pool_gives_every_other_label_once_and_siblings_first():
    groups = [(f"{parent}{child}", parent) for parent in "abcde" for child in range(ord(parent) % 4 + 1)]
    # The last two are named alike in two groups; "z" is under nothing.
    pool = LabelPool([*groups, ("twin", "a"), ("twin", "b"), ("z", None)])
    first = Counter()
    for label, above in [*groups, ("twin", "a"), ("twin", "b"), ("z", None)]:
        siblings = {other for other, parent in [*groups, ("twin", "a"), ("twin", "b")] if parent == above} - {label}
        for seed in range(40):
            others = list(pool.others(label, above, Draws(seed, label, above)))
            assert sorted(others) == sorted(set(pool.labels) - {label})
            assert set(others[: len(siblings)]) == siblings
            first[label, others[0]] += 1
    assert {other for label, other in first if label == "z"} == set(pool.labels) - {"z"}
    assert set(pool.not_among({"z", "twin"}, Draws(1))) == set(pool.labels) - {"z", "twin"}


def test_draws_are_even_and_belong_to_their_address():
    orders = Counter(tuple(Draws("even", n).order(4)) for n in range(12_000))
    assert len(orders) == 24
    assert chisquare(list(orders.values())).pvalue > 0.001
    assert chisquare(list(Counter(Draws("die", n).below(6) for n in range(12_000)).values())).pvalue > 0.001
    draws, again = Draws(7, "a"), Draws(7, "a")
    # Far more than the 128 bits of the first block.
    many = [draws.below(1000) for _ in range(100)]
    assert many == [again.below(1000) for _ in range(100)] != [Draws(7, "b").below(1000) for _ in range(100)]
    assert len(set(many[50:])) > 40
    assert sorted(Draws(3).order(500)) == list(range(500))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,genus\naves,jay\n", "no column species"),
        ("species,order\na jay,b\n", "column order is no level; cub has class, genus, species"),
        ("genus,species\njay,\n", "line 2: no species"),
        ("species\n", "has no names"),
    ],
)
def test_a_labels_file_at_fault_is_named(tmp_path, text, message):
    from small_sources import make_cub

    (tmp_path / "labels.csv").write_text(text)
    options = {"source": "cub", "labels": str(tmp_path / "labels.csv")}
    with pytest.raises(UserError, match=message):
        build("fgbmk", root=make_cub(tmp_path / "cub"), out=tmp_path / "out", options=options)
