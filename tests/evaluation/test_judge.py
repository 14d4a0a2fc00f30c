"""The deterministic judge: ranks answers as FROW's instructions to its judge do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.files import read_jsonl
from evaluation.judging.deterministic import judge
from evaluation.judging.kin import aliases
from evaluation.judging.quantities import quantities
from evaluation.judging.verdict import filed_scores

NAME = "sooty albatross"
OTHERS = ("laysan albatross", "song sparrow", NAME)
QUESTION = "What is the wingspan of the bird, and what does it eat?"
REFERENCE = (
    "The bird in the image is the sooty albatross (Phoebetria fusca), also known as the Quaker or blue albert. "
    "It has a wingspan of 2.03 meters and was described in 1822. It eats squid, fish, crustaceans and carrion. "
    "The white crescents, also known as eyelids, are distinctive."
)


def judged(answer):
    return judge(NAME, QUESTION, REFERENCE, answer, OTHERS)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("It is a Sooty Albatross.", 2),
        ("sooty-albatrosses", 2),
        ("Phoebetria fusca", 2),
        ("a Quaker", 2),
        ("the blue albert", 2),
        ("an albatross", 1),
        ("some Phoebetria", 1),
        ("a laysan albatross", 0),  # the sibling is wrong, not coarse
        ("a song sparrow", 0),
        ("a sooty albatross, not a laysan albatross", 2),
        ("a laysan albatross, not a sooty albatross", 0),
        ("a bird", 0),
        ("", 0),
    ],
)
def test_recognition(answer, score):
    assert judged(answer).item == score, judged(answer).item_reason


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (REFERENCE, 3),
        ("It spans 2.03 meters and eats squid, fish, crustaceans and carrion.", 3),
        ("It eats squid and seeds.", 1),
        ("It eats squid, fish and seeds.", 2),
        ("It eats seeds.", 0),
        ("sooty albatross", 0),  # the name is no fact
        ("2.03 meters", 3),
        ("7 meters", 0),
        ("", 0),
    ],
)
def test_facts(answer, score):
    assert judged(answer).fact == score, judged(answer).fact_reason


def test_years_must_be_equal_and_measures_may_be_rounded():
    assert judged("in 1822").fact == 2
    assert judged("in 1823").fact == 0
    assert judged("2.0 meters").fact == 3


def test_aliases_come_from_sentences_about_the_category():
    assert aliases(NAME, REFERENCE) == ("Phoebetria fusca", "Quaker", "blue albert")


def test_quantities():
    found = quantities("1,200 birds, 3.3 feet, two eggs, 1822")
    assert [one.value for one in found] == [1200, 3.3, 1822, 2]


def test_every_reference_is_its_own_best_answer(shared):
    rows = list(read_jsonl(shared / "data" / "FROW" / "cub_with_reference.jsonl"))
    names = [row["name"] for row in rows]
    for row in rows:
        own = judge(row["name"], row["question"], row["ref_answer"], row["ref_answer"], names)
        assert (own.item, own.fact) == (2, 3), row["name"]
    crossed = [
        judge(a["name"], a["question"], a["ref_answer"], b["ref_answer"], names)
        for a in rows
        for b in rows
        if a is not b
    ]
    assert sum(one.item for one in crossed) == 0
    assert sum(one.fact for one in crossed) / len(crossed) < 0.5


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=20))
def test_no_text_breaks_the_judge(answer, reference, name):
    got = judge(name, "What?", reference, answer, [name, "x y"])
    assert got.item in (0, 1, 2)
    assert got.fact in (0, 1, 2, 3)


@pytest.mark.parametrize(
    "row", [{}, {"Item_accuracy_score": 2}, {"Item_accuracy_score": "2/2", "Fact_accuracy_score": 1}]
)
def test_a_row_without_two_numbers_is_unjudged_not_zero(row):
    with pytest.raises(UserError):
        filed_scores(row)


def test_filed_scores_are_read_as_float_reads_them():
    assert filed_scores({"Item_accuracy_score": " 1 ", "Fact_accuracy_score": "٢"}) == (1.0, 2.0)
    with pytest.raises(UserError):
        filed_scores({"Item_accuracy_score": "nan", "Fact_accuracy_score": 1})
