"""Scores are a pure function of the rows, whatever their order and texts; and each number has its interval."""

import json
import random
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.shared.errors import UserError
from evaluation.scoring.matching import MATHVISTA_RULES, RULES
from evaluation.scoring.name_lists import LIST_RULES
from evaluation.scoring.rules.mathvista import plain, types_from_query
from evaluation.scoring.score_answers import item_scores, score_answers
from evaluation.scoring.score_files import TaskScore
from evaluation.tasks.task_files import all_specs, task_without_items

GENERAL = ("ai2d", "chartqa", "docvqa", "mathvista", "pope")
FGBMK = ("fgbmk/cub/species/choice", "fgbmk/cub/species/true_false", "fgbmk/cub/knowledge_bias", "fgbmk/cub/attributes")
HINT = "Hint: Please answer the question requiring an integer answer and provide the final value, e.g., 1, 2, 3.\nQ"
QUESTIONS = {
    "mathvista": HINT,
    "fgbmk/cub/species/choice": 'Which? Choose one answer from the following list: "no", "yes", "ani".',
    "fgbmk/cub/attributes": "Is the wing color of the bird brown?",
}
GOLDS = {"ai2d": "A", "mathvista": "3", "chartqa": "3", "docvqa": ["no", "three"]}
# what breaks parsers: nothing, marks of every kind, controls, directions, halves of pairs, digits of other scripts
ODD = st.one_of(
    st.text(st.characters(), max_size=40),
    st.text(
        st.sampled_from("()[]{}.,:;*%-+eE_0123456789٣５½ \t\n\r\x00\x1c\u200b\u202e\u2028\ud800İßABCDyesno"),
        max_size=40,
    ),
    st.sampled_from(
        ["1e999", "-inf", "nan", "9" * 5000, "(A)(B)", 'The answer is "(".', "[[[", "1" * 20 + "." + "0" * 400]
    ),
)
TYPES = st.fixed_dictionaries(
    {
        "question_type": st.sampled_from(["multi_choice", "free_form", None]),
        "answer_type": st.sampled_from(["integer", "float", "list", "text", None]),
        "precision": st.sampled_from([None, 0, 1, 2]),
        "extraction": st.one_of(st.none(), ODD, st.integers(), st.floats(), st.lists(st.integers(), max_size=2)),
    }
)


def answer_rows(task: str, answers: list[str]) -> list[dict]:
    gold = GOLDS.get(task, "no" if task != "fgbmk/cub/species/choice" else "ani")
    return [
        {
            "task": task,
            "question_id": place,
            "image": f"{place % 5}.png",
            "category": ("random", "popular", "adversarial")[place % 3],
            "question": QUESTIONS.get(task, "?"),
            "gold": gold,
            "answer": answer,
            **({"options": ["cat", "dog"]} if task == "ai2d" else {}),
        }
        for place, answer in enumerate(answers)
    ]


@settings(max_examples=300)
@given(ODD, st.one_of(ODD, st.lists(ODD, min_size=1, max_size=3)), st.lists(ODD, max_size=4), TYPES)
def test_no_text_breaks_a_rule(answer, gold, options, details):
    for name, rule in RULES.items():
        verdict = rule(answer, gold, options, details)
        assert 0 <= verdict.score <= 1, name
        assert verdict.parsed is None or isinstance(verdict.parsed, str)


LONG = ("a ", "9", "(A", "-_,", "answer is ", 'The answer is "', "two three ", "[", "yes no ", "1,", " ", "\n")


@pytest.mark.parametrize("text", LONG)
def test_answers_of_100_kilobytes_are_judged_at_once(text):
    text = text * (100_000 // len(text))
    for rule in RULES.values():
        started = time.process_time()
        assert 0 <= rule(text, "three", ("two", "three"), {"answer_type": "integer"}).score <= 1
        # milliseconds; what grows with the square of the length takes seconds
        assert time.process_time() - started < 1.0


@settings(max_examples=30)
@given(st.sampled_from((*GENERAL, *FGBMK)), st.lists(ODD, min_size=1, max_size=12), st.randoms())
def test_the_order_of_the_rows_changes_nothing(name, answers, chance):
    task, rows = task_without_items(name), answer_rows(name, answers)
    moved = rows.copy()
    chance.shuffle(moved)
    assert score_answers(task, moved).to_json() == score_answers(task, rows).to_json()
    assert item_scores(task, moved) == item_scores(task, rows)


@pytest.mark.parametrize("name", [*GENERAL, *FGBMK])
def test_every_share_has_its_count_and_interval(name):
    draw = random.Random(3)
    answers = [draw.choice(["no", "yes", "No.", "A", "3", "ani", "", "?"]) for _ in range(60)]
    score = score_answers(task_without_items(name), answer_rows(name, answers))
    for one in [*score.scores, *score.groups]:
        assert one.n > 0
        assert None not in (one.value, one.low, one.high)
        assert one.low - 1e-9 <= one.value <= one.high + 1e-9, one
    assert score.main is score.scores[0]
    assert TaskScore.from_json(json.loads(json.dumps(score.to_json()))) == score


def test_scores_written_before_there_were_groups_are_read():
    score = score_answers(task_without_items("ai2d"), answer_rows("ai2d", ["A"])).to_json()
    for key in ("groups", "unparsed", "differences"):
        del score[key]
    assert TaskScore.from_json(score).groups == []


def test_a_question_with_two_answers_is_refused():
    rows = answer_rows("ai2d", ["A", "B"])
    rows[1]["question_id"] = 0
    with pytest.raises(UserError, match="question 0 has more than one answer"):
        score_answers(task_without_items("ai2d"), rows)
    with pytest.raises(UserError, match="no answers"):
        score_answers(task_without_items("ai2d"), [])


def test_every_task_file_names_rules_that_exist():
    known = {*RULES, *LIST_RULES, "deterministic_judge", "perplexity"}
    for spec in all_specs().values():
        assert set(spec.rules) <= known
        assert not spec.ranked or spec.ranked in spec.groups
        if MATHVISTA_RULES & set(spec.rules):
            assert {"question_type", "answer_type", "precision", "choices"} <= set(spec.details)


@pytest.mark.parametrize(
    ("reply", "answer_type", "choices", "extracted"),
    [
        ("The total is 1,250 shapes.", "integer", [], "1250"),
        ("3 + 4 makes 7, so the answer is 7.", "integer", [], "7"),
        ("3 + 4 makes 7", "integer", [], None),
        ("It lies between 2007 and 2008: [2007, 2008]", "list", [], "[2007, 2008]"),
        ("(B)", "text", ["8", "10"], "B"),
        ("The correct answer is (B) 10.", "text", ["8", "10"], "B"),
        ("It is the red one.", "text", ["red", "green"], "red"),
        ("It is red or green.", "text", ["red", "green"], None),
        ("", "float", [], None),
    ],
)
def test_plain_extraction_takes_only_what_stands_without_doubt(reply, answer_type, choices, extracted):
    details = {"answer_type": answer_type, "question_type": "multi_choice" if choices else "free_form"}
    assert plain(reply, details, choices) == extracted


def test_answer_types_are_read_from_the_hint():
    assert types_from_query(HINT, ())["answer_type"] == "integer"
    hint = "Hint: Please answer the question requiring a floating-point number with two decimal places and\nQ"
    assert types_from_query(hint, ())["precision"] == 2
    assert types_from_query("How many?", ()) == {}
    assert types_from_query("Which?", ("a", "b"))["question_type"] == "multi_choice"


def test_letters_of_the_alphabet_are_enough():
    options = [*string.ascii_lowercase, "one more"]
    for rule in RULES.values():
        assert 0 <= rule("Z.", "Z", options, {"question_type": "multi_choice", "choices": options}).score <= 1
