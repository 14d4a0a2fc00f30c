"""Rules: the published ones to the letter, ours without their traps, and no text that breaks them."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.scoring.matching import (
    RULES,
    anls,
    exact,
    levenshtein,
    mentions,
    pope,
    pope_label,
    relaxed,
    released,
    strict,
)
from evaluation.scoring.rules.letters import lettered, vlmevalkit_letter
from evaluation.scoring.rules.yes_no import vlmevalkit_label
from evaluation.shared.texts import normalise

OPTIONS = ("laysan albatross", "albatross", "song sparrow", "northern flicker")


@pytest.mark.parametrize(
    ("answer", "gold", "right"),
    [
        ("Black-footed Albatross", "black footed albatross", True),
        ("black_,footed albatross", "black footed albatross", True),  # one run of marks is one blank
        ("black-footed, albatross", "black footed albatross", False),  # mark and blank are two
        ("unknown", "no", True),  # the trap that `strict` is for
        ("I cannot tell", "no", True),
        ("", "no", False),
    ],
)
def test_released_is_substring_of_the_normal_form(answer, gold, right):
    assert released(answer, gold).score == right


@pytest.mark.parametrize(
    ("answer", "gold", "right", "parsed"),
    [
        ("unknown", "no", False, None),
        ("northern", "no", False, None),
        ("No, it is not", "no", True, "no"),
        ("Yes, no doubt", "no", False, "yes"),
        ("YES.", "yes", True, "yes"),
        ("**no**", "no", True, "no"),
    ],
)
def test_strict_takes_the_yes_or_no_that_is_stated(answer, gold, right, parsed):
    verdict = strict(answer, gold)
    assert (verdict.score, verdict.parsed) == (right, parsed)


@pytest.mark.parametrize(
    ("answer", "gold", "right"),
    [
        ("It is a laysan albatross.", "laysan albatross", True),
        ("It is a laysan albatross.", "albatross", False),  # the longer option is what is named
        ("albatross", "albatross", True),
        ('"laysan albatross", "albatross", "song sparrow"', "song sparrow", False),  # echoes the list
        ("song sparrows", "song sparrow", False),
        ("song-sparrow", "song sparrow", True),
        ("none", "song sparrow", False),
    ],
)
def test_strict_wants_exactly_one_option_named(answer, gold, right):
    assert strict(answer, gold, OPTIONS).score == right


def test_strict_short_answer_keeps_word_boundaries():
    assert strict("It's an ani!", "ani").score == 1
    assert strict("an animal", "ani").score == 0
    assert released("an animal", "ani").score == 1


def test_mentions_leaves_out_names_inside_longer_ones_unless_they_also_stand_alone():
    assert mentions("a laysan albatross", OPTIONS) == {"laysan albatross"}
    assert mentions("laysan albatross or another albatross", OPTIONS) == {"laysan albatross", "albatross"}


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("No", "no"),
        ("There is no car", "no"),
        ("no, there is", "no"),  # commas go
        ("Yes. No.", "yes"),  # only the first sentence
        ("Yes, no", "no"),
        ("NO", "yes"),
        ("No!", "yes"),
        ("No\n", "yes"),
        ("isn't", "yes"),
        ("unknown", "yes"),
        ("", "yes"),
    ],
)
def test_pope_label(answer, label):
    assert pope_label(answer) == label
    assert pope(answer, label).score == 1


def test_vlmevalkit_reads_a_yes_or_no_beside_marks():
    for answer, label in (
        ("Yes, it is.", "yes"),
        ("**no**", None),  # stars are no marks of its list
        ("(no)", "no"),
        ("yes or no", None),
        ("it is not", None),
        ("." * 32 + "yes", "yes"),
        ("." * 33 + "yes", None),  # it takes 32 full stops out
    ):
        assert vlmevalkit_label(answer) == label, answer


def test_vlmevalkit_reads_a_letter_among_the_last_four_words():
    choices = lettered(["one", "two", "three"])
    assert vlmevalkit_letter("B is my choice", choices) == "B"
    assert vlmevalkit_letter("B is my own choice", choices) is None
    assert vlmevalkit_letter("The answer is B, as I can see there", choices) == "B"
    assert vlmevalkit_letter("It is two", choices) == "B"
    assert vlmevalkit_letter("I can't process this file.", choices) == "Z"


@pytest.mark.parametrize(
    ("answer", "gold", "right"),
    [
        ("14", "14", True),
        ("0.63", "0.6", False),  # binary rounding decides the 5 % edge
        ("0.21", "0.2", True),
        ("5%", "0.05", True),
        ("5 %", "0.05", True),
        ("0.0", "0", False),  # a gold of zero is compared as text
        ("0", "0", True),
        ("nan", "nan", False),
        ("inf", "inf", False),
        ("1_000", "1000", True),
        ("1,000", "1000", False),
        ("Yes", "yes", True),
        (" yes", "yes", False),
    ],
)
def test_relaxed_accuracy(answer, gold, right):
    assert relaxed(answer, gold).score == right


def test_anls_keeps_one_half_and_drops_what_is_below():
    assert anls("ab", "ax").score == 0.5
    assert anls("abc", "axy").score == 0.0
    assert anls("Annual  report ", ["x", "annual report"]).score == 1.0
    # the raw lengths are the denominator: blanks round a wrong answer raise the score
    assert anls(" abcd \n", "abxx").score == pytest.approx(1 - 2 / 7)
    assert anls("", "").score == 1.0
    assert anls("", []).score == 0.0


def test_exact_forgives_case_and_one_full_stop():
    assert exact(" Seven. ", ["7", "seven"]).score == 1
    assert exact("seven birds", "seven").score == 0


def slow_distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


@given(st.text("abc", max_size=12), st.text("abcd", max_size=12))
def test_levenshtein_equals_the_plain_table(a, b):
    assert levenshtein(a, b) == slow_distance(a, b)


@given(
    st.text(alphabet=st.characters(), max_size=60),
    st.one_of(st.text(max_size=20), st.lists(st.text(max_size=20), min_size=1, max_size=3)),
    st.lists(st.text(max_size=20), max_size=4),
)
def test_no_text_breaks_a_rule(answer, gold, options):
    for rule in RULES.values():
        verdict = rule(answer, gold, options)
        assert 0 <= verdict.score <= 1
        assert not math.isnan(verdict.score)


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text):
    # stripping can bring a mark to the end, so it is a mark's blank that must not come back
    once = normalise(text)
    assert "_" not in once
    assert "," not in once
    assert once == once.strip()


def golden(shared, name):
    lines = (shared / "golden" / name).read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def test_anls_agrees_with_the_reference_rows(shared):
    rows = golden(shared, "anls.dev.jsonl")
    got = [anls(row["answer"], row["golds"]).score for row in rows]
    assert got == pytest.approx([row["expected"]["anls"] for row in rows], abs=1e-12)
    total = json.loads((shared / "golden" / "anls.dev.total.json").read_text())
    assert sum(got) / len(got) == pytest.approx(total["anls"], abs=1e-12)


def test_relaxed_accuracy_agrees_with_the_reference_rows(shared):
    for row in golden(shared, "relaxed_accuracy.dev.jsonl"):
        assert relaxed(row["answer"], row["gold"]).score == row["expected"]["relaxed"], row


def test_pope_agrees_with_the_reference_rows(shared):
    for row in golden(shared, "pope.dev.jsonl"):
        verdict = pope(row["answer"], row["gold"])
        assert (verdict.parsed, bool(verdict.score)) == (row["expected"]["label"], row["expected"]["correct"]), row


def test_released_agrees_with_the_reference_rows(shared):
    for row in golden(shared, "fgbmk.dev.jsonl"):
        assert bool(released(row["text"], row["class"]).score) == row["expected"]["correct"], row
