"""Every closed question has a chance level: it stands beside the score, and nothing within it is gained or lost."""

import pytest
from run_folders import CHOICE, COUNT, DOCUMENT, FROW, OPTIONS, PRESENCE, SPECIES, make_run, rows_of
from table import rows

from evaluation.compare import compare_runs
from evaluation.compare.tables import chance_words
from evaluation.report.page import render
from evaluation.scoring.chance import standing
from evaluation.scoring.score_answers import score_answers
from evaluation.scoring.score_files import TaskScore
from evaluation.study import StudyRuns, answer_words, study_answer
from evaluation.tasks.task_files import task_without_items
from fgtrain.runs.metrics import eval_rows

HALF, ALL, NEVER = [True, False] * 20, [True] * 40, [False] * 40
SHARE = [number % 2 == 0 or number % 10 == 1 for number in range(40)]  # 60 %


def score(task: str, answers: list, change=None) -> TaskScore:
    found = rows_of(task, answers)
    return score_answers(task_without_items(task), list(map(change, found)) if change else found)


def with_options(options: list[str]):
    return lambda row: row | {"options": options, "gold": "A", "question": "Which?"}


def mostly_no(row: dict) -> dict:
    return row | {"gold": "no" if row["question_id"] % 10 else "yes"}


def yes_or_no(row: dict) -> dict:
    return row | {"gold": "yes" if row["question_id"] % 2 else "no"}


def mixed(row: dict) -> dict:
    """Choice questions with four options, and yes or no, side by side in one file."""
    choice = {"question": OPTIONS, "gold": "jay"}
    return row | (choice if row["question_id"] % 2 else {"question": "Is it?", "gold": "yes"})


def seldom_yes(row: dict) -> dict:
    return row | ({"gold": "yes"} if row["question_id"] < 5 else {})


@rows(
    ("one of four", score(CHOICE, HALF), 25),
    ("one of two letters", score("ai2d", HALF, with_options(["x", "y"])), 50),
    ("an option twice is one", score("ai2d", HALF, with_options(["x", "y", "y"])), 50),
    ("yes or no in equal shares", score(SPECIES, HALF), 50),
    ("yes or no, nine of ten no", score(SPECIES, HALF, mostly_no), 90),
    ("choice and yes or no in one file", score("fgbmk/cub/attributes", HALF, mixed), 62.5),
    ("POPE's F1 under always yes", score("pope", HALF, yes_or_no), 200 / 3),
    ("yes or no by POPE's rule", score(PRESENCE, HALF), 50),
    ("an open question", score(COUNT, HALF), None),
    (
        "an open question with some yes",
        score("chartqa", HALF, seldom_yes),
        None,
    ),
    ("the open world", score(FROW, HALF), None),
)
def test_guessing_comes_to(how, out):
    assert how.chance == (out if out is None else pytest.approx(out))
    assert TaskScore.from_json(how.to_json()).chance == how.chance
    (row,) = [row for row in eval_rows({"t": how}, None, 0, 0, subset=False) if row["primary"]]
    assert row["chance"] == how.chance


def by_halves(row: dict) -> dict:
    """POPE's questions: the first half nine times of ten no, the others always yes."""
    early = row["question_id"] < 20
    gold = "no" if early and row["question_id"] % 10 else "yes"
    return row | {"gold": gold, "category": "early" if early else "late"}


def of_a_wing(row: dict) -> dict:
    """Questions about one attribute: four colours to choose from, and yes or no."""
    choice = 'What is the wing color of the bird? Choose one from the following list: "red", "blue", "grey", "buff".'
    closed = {"question": choice, "gold": "red"}
    asked = {"question": "Is the wing color of the bird red?", "gold": "yes" if row["question_id"] % 4 else "no"}
    return row | (closed if row["question_id"] % 2 else asked)


@rows(
    ("yes or no in unequal shares", score("pope", HALF, by_halves), {"early": 200 * 0.1 / 1.1, "late": 100}),
    (
        "one attribute, asked in two kinds",
        score("fgbmk/cub/attributes", HALF, of_a_wing),
        {"color": 37.5, "wing color": 37.5, "choice": 25, "true_false": 50},
    ),
    ("an open task", score("chartqa", HALF, lambda row: row | {"category": "human"}), {"human": None}),
)
def test_guessing_comes_to_in_a_part_of_a_task(how, out):
    firsts = {}
    for group in how.groups:
        firsts.setdefault(group.name, group.chance)
    assert firsts == {name: level if level is None else pytest.approx(level) for name, level in out.items()}


@rows(
    ("beyond", (51, 70), ""),
    ("at", (48.3, 60.8), "at chance"),
    ("its end on it", (50, 60), "at chance"),
    ("below", (20, 40), "below chance"),
)
def test_a_score_stands_to_chance(how, out):
    assert standing(*how, 50.0) == out


def test_a_score_on_the_terminal_says_its_chance_level():
    assert chance_words(score(SPECIES, SHARE)) == ["chance is 50.0: the score is at chance"]
    assert chance_words(score(SPECIES, ALL)) == ["chance is 50.0: the score is beyond it"]
    assert chance_words(score(COUNT, ALL)) == []


@rows(
    ("a gain up to chance", (NEVER, SHARE), "unclear"),
    ("a loss from chance", (SHARE, NEVER), "unclear"),
    ("a gain beyond it", (HALF, ALL), "better"),
    ("a loss from beyond it", (ALL, HALF), "worse"),
)
def test_only_what_is_beyond_chance_is_coloured(tmp_path, how, out):
    page = render(compare_runs([make_run(tmp_path / "run", {SPECIES: how})]))
    table = page[page.index("<h2>Scores</h2>") : page.index('<p class="caption">Small print')]
    assert f'delta {out}"' in table
    assert "chance 50.0" in table
    assert ("at chance" in table) == any(one is not ALL and one is not NEVER for one in how)
    cards = page[: page.index("<h2>Scores</h2>")]
    assert f'class="big {out}"' in cards
    assert ("not beyond chance" in page) == (out == "unclear")


def test_a_study_shows_no_difference_between_guesses(tmp_path):
    low, high = [number % 4 == 0 for number in range(200)], [number % 2 == 0 for number in range(200)]
    arms = {arm: {} for arm in ("low", "high")}
    for arm, answers in (("low", low), ("high", high)):
        for seed in (1, 2, 3):
            moved = answers[seed:] + answers[:seed]
            make_run(tmp_path / f"{arm}{seed}", {SPECIES: (NEVER * 5, moved)})
            arms[arm][seed] = tmp_path / f"{arm}{seed}"
    answer = study_answer(StudyRuns("s", "", arms, ("fine_grained",), (("high", "low"),)))
    (one,) = answer.contrasts
    assert one.low > 0  # the difference is there, between two ways to guess
    assert (one.verdict, one.why) == ("not shown", "neither arm is beyond chance")
    assert answer.arm("high").means["fine_grained"].stands == "at chance"
    assert answer.arm("low").means["fine_grained"].stands == "below chance"
    assert answer.measures[0].chance == 50
    assert "neither arm is beyond chance" in answer_words(answer)[0]


def test_partial_credit_that_moves_is_no_contradiction(tmp_path):
    """+30.8 points beside -0 +0 and p 1.00: no answer crossed the half, and yet every one got better."""
    run = make_run(tmp_path / "run", {DOCUMENT: (["annual rxxxxx"] * 40, ["annual reporx"] * 40)})
    (change,) = compare_runs([run]).runs[0].tasks[DOCUMENT].from_base
    assert change.value == pytest.approx(100 * 4 / 13)
    assert (change.worse, change.better) == (0, 40)
    assert change.p < 0.001
    assert change.clear
    assert "−0 +40 of n 40 · p &lt; 0.001" in render(compare_runs([run]))
