"""Form or knowledge: what a wrong answer says about the model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.ledger.faults import (
    CONSTANT,
    CUT,
    EMPTY,
    LIKELIEST,
    NONE,
    UNPARSED,
    VERBOSE,
    fault_of_items,
    form_of,
    margin,
)

CHOICE = 'Which species? Choose one answer from the following list: "blue jay", "green jay", "house wren".'


def fault(answer, gold, question="Which species is this?", *, open_answer=False, **more):
    return form_of({"answer": answer, "gold": gold, "question": question, **more}, open_answer=open_answer)[0]


@pytest.mark.parametrize(
    ("answer", "gold", "question", "expected"),
    [
        ("Blue jay.", "blue jay", CHOICE, NONE),
        ("green jay", "blue jay", CHOICE, NONE),  # a clear answer, only wrong
        ("blue jay or green jay", "blue jay", CHOICE, UNPARSED),  # two options named
        ("a crow", "blue jay", CHOICE, UNPARSED),
        ("  ", "blue jay", CHOICE, EMPTY),
        ("Yes, it is", "no", "Is it a jay? Answer with yes or no.", NONE),
        ("I cannot tell", "no", "Is it a jay? Answer with yes or no.", UNPARSED),
        ("The answer is 42 I think", "42", "How many?", VERBOSE),
        ("41", "42", "How many?", NONE),
    ],
)
def test_the_form_of_an_answer(answer, gold, question, expected):
    assert fault(answer, gold, question) == expected


def test_letters_are_read_as_letters():
    more = {"options": ["a wing", "a tail", "a beak"], "question": "Which part?"}
    assert fault("B", "A", **more) == NONE
    assert fault("none of these parts", "A", **more) == UNPARSED


def test_a_cut_answer_is_a_fault_only_where_a_short_one_was_asked_for():
    assert fault("once upon a time there", "blue jay", finished=False) == CUT
    assert fault("once upon a time there", "blue jay", finished=False, open_answer=True) == NONE


@given(st.text(), st.sampled_from(["yes", "blue jay", "A", ""]), st.sampled_from([CHOICE, "", "Is it? yes or no"]))
def test_any_text_has_a_form(answer, gold, question):
    assert NONE <= fault(answer, gold, question, options=["a", "b"] if gold == "A" else []) <= LIKELIEST


def test_the_margin_is_of_the_right_option_over_the_likeliest_other():
    weighed = {"blue_jay": [-1.5, 3], "green jay": [-2.0, 3], "crow": [-9.0, 1]}
    assert margin({"gold": "Blue jay", "options_log_probability": weighed}) == pytest.approx(0.5)
    assert np.isnan(margin({"gold": "blue jay"}))
    assert np.isnan(margin({"gold": ["a", "b"], "options_log_probability": weighed}))
    assert np.isnan(margin({"gold": "owl", "options_log_probability": weighed}))


def decided(form, margins, said, golds, gold_yes):
    return fault_of_items(np.asarray(form, np.uint8), *map(np.asarray, (margins, said, golds, gold_yes)))


def test_log_probabilities_decide_where_they_are_and_the_form_elsewhere():
    nan = float("nan")
    found, weighed, _ = decided(
        [UNPARSED, UNPARSED, NONE, NONE, UNPARSED], [1.0, -1.0, 1.0, -1.0, nan], [1, 2, 3, 4, 5], [0] * 5, [-1] * 5
    )
    # likeliest and unparsed: form; not likeliest: knowledge; likeliest yet another was answered: form
    assert found.tolist() == [UNPARSED, NONE, LIKELIEST, NONE, UNPARSED]
    assert weighed.tolist() == [True] * 4 + [False]


YES, NO = 7, 8


def test_one_answer_to_everything_is_a_matter_of_form():
    golds = [YES, NO] * 10
    found, _, constant = decided([NONE] * 20, [float("nan")] * 20, [YES] * 20, golds, [1, 0] * 10)
    assert constant == YES
    assert found.tolist() == [NONE, CONSTANT] * 10
    # where nearly all golds are equal, equal answers are no fault
    assert decided([NONE] * 20, [float("nan")] * 20, [YES] * 20, [YES] * 19 + [NO], [1] * 19 + [0])[2] is None
    # nor are a few answers
    assert decided([NONE] * 4, [float("nan")] * 4, [YES] * 4, [YES, NO] * 2, [1, 0] * 2)[2] is None


def test_always_yes_with_a_difference_underneath_is_form_and_without_one_is_knowledge():
    golds, gold_yes = [YES, NO] * 10, [1, 0] * 10
    # yes is always likeliest, but more so where it is right: towards yes 3 and 1
    tells = decided([NONE] * 20, [3.0, -1.0] * 10, [YES] * 20, golds, gold_yes)[0]
    assert set(tells[1::2].tolist()) == {CONSTANT}
    blind = decided([NONE] * 20, [1.0, -3.0] * 10, [YES] * 20, golds, gold_yes)[0]
    assert set(blind[1::2].tolist()) == {NONE}
