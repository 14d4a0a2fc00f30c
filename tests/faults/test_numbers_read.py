"""Numbers in an answer are read as the sentence means them, or not at all: never another number."""

import math

import pytest
from table import rows

from evaluation.judging.quantities import quantities
from evaluation.scoring.rules.mathvista import mathvista, mathvista_plain, normalised

INTEGER = {"question_type": "free_form", "answer_type": "integer", "precision": None}
FLOAT = {"question_type": "free_form", "answer_type": "float", "precision": 2}


def read(reply: str, details: dict = INTEGER) -> str | None:
    return mathvista_plain(reply, "?", (), details).parsed


@rows(
    ("minus sign U+2212", "The answer is \u22125.", "-5"),
    ("en dash as a sign", "The answer is \u20135.", "-5"),
    ("em dash as a sign", "The answer is \u20145", "-5"),
    ("non-breaking hyphen as a sign", "The answer is \u20115.", "-5"),
    ("small and full-width minus", "\ufe635", "-5"),
    ("full-width minus and digits", "\uff0d\uff11\uff12", "-12"),
    ("a blank behind the sign", "The answer is - 5.", "-5"),
    ("sign in words", "It is minus 5", "-5"),
    ("all in words", "negative twenty-one", "-21"),
    ("sign in the official frame", 'The answer is "\u22125".', "-5"),
    ("a superscript", "The answer is 3².", "9"),
    ("a caret", "so 2^10", "1024"),
    ("two stars", "The answer is 2**3.", "8"),
    ("squared in words", "It is 3 squared.", "9"),
    ("root of a square", "√16", "4"),
    ("root in words", "the square root of 49", "7"),
    ("root of LaTeX", "$\\boxed{\\sqrt{16}}$", "4"),
    ("million", "about 5 million people", "5000000"),
    ("half a million", "half a million", "500000"),
    ("k", "The answer is 5k.", "5000"),
    ("money in M", "It made $2.5M.", "2500000"),
    ("thousands by comma", "12,000 of them", "12000"),
    ("thousands by thin blank", "12\u202f000", "12000"),
    ("thousands of India", "1,23,456", "123456"),
    ("emphasis", "The answer is **5**.", "5"),
    ("unit with a power", "5 km²", "5"),
    ("denied before told", "It is not 5 but 7.", "7"),
    ("rather than", "7 rather than 5", "7"),
    ("denied behind it", "5 isn't right, 7 is", "7"),
    ("digits beside the word", "five (5)", "5"),
    ("a cube root in words", "cube root of 27", "3"),
    ("another thing denied", "I do not have a ruler, it is 5", "5"),
    ("one at the end", "The answer is one.", "1"),
    ("hundreds in words", "two hundred and five", "205"),
    ("a designation beside it", "The H2 line shows 4.", "4"),
)
def test_a_whole_number_is_read_as_it_is_meant(how, out):
    assert read(how) == out


@rows(
    ("one half sign", "½", "0.5"),
    ("mixed number", "The answer is 5½.", "5.5"),
    ("fraction with a slash", "3/4 of the birds", "0.75"),
    ("fraction in words", "three quarters", "0.75"),
    ("LaTeX fraction", "\\frac{1}{4}", "0.25"),
    ("two and a half", "two and a half metres", "2.5"),
    ("root that is no whole number", "√2", "1.41"),
    ("product with a root", "2√3", "3.46"),
    ("negative power", "10⁻²", "0.01"),
    ("power of ten", "1.5 × 10^3", "1500.0"),
    ("percent keeps its number", "50 %", "50.0"),
    ("point in words", "three point one four", "3.14"),
)
def test_a_broken_number_is_read_as_it_is_meant(how, out):
    assert read(how, FLOAT) == out


@rows(
    ("denied", "The answer is not 5.", None),
    ("denied with a verb", "It isn't equal to 5.", None),
    ("denied though another number stands before", "I count 7. The answer is not 5.", None),
    ("denied in other words", "I don't think it is 5", None),
    ("denied behind it", "5 is not the answer", None),
    ("a limit", "less than 5", None),
    ("a limit behind it", "5 or more", None),
    ("a root of no order", "the fourth root of 16", None),
    ("twice a number", "twice 5", None),
    ("hundredths in an integer question", "5 hundredths", None),
    ("a limit in signs", "≥ 5", None),
    ("a product with a letter", "5π", None),
    ("a variable", "2x", None),
    ("a sum of equals", "5 + 5", None),
    ("a product of equals", "5 × 5", None),
    ("a product of equals in words", "5 times 5", None),
    ("a decimal comma", "5,5", None),
    ("a version", "12.5.3", None),
    ("a root in an integer question", "√5", None),
    ("a half in an integer question", "5½", None),
    ("a designation", "H2", None),
    ("a hyphen behind letters", "FY-5", None),
    ("a range", "3–5", None),
    ("a power of a bracket", "(-3)²", None),
    ("below zero", "5 degrees below zero", None),
    ("beyond what can be worked out", "9^999999999", None),
)
def test_what_is_in_doubt_is_not_read(how, out):
    assert read(how) is out


@rows(
    ("places as a float", {**FLOAT, "precision": 1.0}, "1.2"),
    ("no places as NaN", {**FLOAT, "precision": math.nan}, "1"),
    ("places as text", {**FLOAT, "precision": "1"}, "1.2"),
    ("no places", {**FLOAT, "precision": None}, "1"),
    ("infinite places", {**FLOAT, "precision": math.inf}, "1"),
)
def test_decimal_places_of_any_table_are_understood(how, out):
    assert normalised("1.24", how, ()) == out


def test_the_official_rule_still_reads_only_what_its_script_reads():
    assert mathvista("\u22125", "-5", (), INTEGER).parsed is None
    assert mathvista("-5", "-5", (), INTEGER).score == 1


@rows(
    ("sign", "It fell to \u22125 m.", [-5]),
    ("power", "10³ birds", [1000]),
    ("magnitude", "5 million birds", [5_000_000]),
    ("denied", "It does not weigh anything, not 5 but 7", [7]),
    ("words", "about seventy birds", [70]),
    ("fraction", "three quarters of them", [0.75]),
)
def test_the_judge_reads_the_same(how, out):
    assert [one.value for one in quantities(how)] == out


def test_the_judge_knows_a_quarter_as_25_percent():
    (quarter,), (percent,), (other,) = (quantities(text) for text in ("a quarter of them", "25 %", "35 %"))
    assert quarter.agrees(percent)
    assert not quarter.agrees(other)
    assert not quantities("-5 m")[0].agrees(quantities("5 m")[0])


@pytest.mark.parametrize(
    "text", ["1,22" * 25_000, "not " * 25_000 + "5", "2^" * 30_000, "(" * 50_000, "a half " * 9_000]
)
def test_no_text_takes_long(text):
    assert read(text) is None or text.endswith("5")
