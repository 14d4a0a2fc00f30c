"""`strict` takes the yes or no that an answer states, never one of an echo, and folds what the eye folds."""

from table import rows

from evaluation.scoring.rules.names import released, strict


@rows(
    ("echoed instruction", "Is it a gull? Answer with yes or no. No", "no"),
    ("echoed choice", "Yes or no? No.", "no"),
    ("echoed form", "(yes/no): yes", "yes"),
    ("echoed question that holds a no", "Is there no gull in it? Yes", "yes"),
    ("no doubt", "There is no doubt: yes.", "yes"),
    ("no markings", "It is, with no markings, a gull. Yes", "yes"),
    ("denied yes", "The answer is not yes, it is no", "no"),
    ("called the answer", "No, wait. The answer is yes", "yes"),
    ("yes, no question", "Yes, it's a gull, no question about it.", "yes"),
    ("full width", "ｎｏ", "no"),
    ("no before its clause", "No it is not", "no"),
    ("only an echo", "Answer yes or no", None),
    ("both", "Yes. No.", None),
    ("called wrong", "Yes is wrong", None),
    ("called wrong, then the other", "'Yes' is not correct. No.", "no"),
    ("called the answer", "no is the answer", "no"),
    ("cannot say", "I cannot say yes", None),
    ("nothing but a noun", "No way to tell!", None),
)
def test_yes_or_no_is_the_stated_one(how, out):
    for gold in ("yes", "no"):
        assert strict(how, gold).parsed == out
        assert strict(how, gold).score == (out == gold)


@rows(
    ("accents", "Rüppell's Vulture", "Ruppell's Vulture"),
    ("non-breaking hyphen", "Black\u2011footed Albatross", "Black-footed Albatross"),
    ("en dash", "Black–footed Albatross", "black footed albatross"),
    ("curly apostrophe", "Brewer’s Blackbird", "Brewer's Blackbird"),
    ("full width", "Ｂｌｕｅ　Ｊａｙ", "Blue Jay"),
    ("capitals that fold to two letters", "STRASSENTAUBE", "Straßentaube"),
    ("a letter that is not taken apart", "Rødstjert", "Rodstjert"),
    ("composed against decomposed", "Pe\u0301lican", "Pélican"),
    ("zero width", "Blue\u200b Jay", "Blue Jay"),
    ("soft hyphen", "Alba\u00adtross", "Albatross"),
)
def test_strict_folds_what_the_eye_folds(how, out):
    assert strict(f"It is a {how}.", out).score == 1
    assert strict(f"It is a {out}.", how, (how, "other")).score == 1


def test_the_released_rule_is_left_to_the_letter():
    assert released("There is no doubt: yes.", "no").score == 1
    assert released("Black\u2011footed Albatross", "Black-footed Albatross").score == 0
