"""What a drawn answer is worth, and which rows can be rewarded."""

import pytest

from evaluation.judging.taxonomy import taxonomy_of
from fgtrain.errors import UserError
from fgtrain.training.objectives.reward import LevelReward, strict_reward
from fgtrain.training.objectives.rollout import check_rows

BIRDS = {
    "Laysan Albatross": ("Phoebastria", "Diomedeidae"),
    "Black-footed Albatross": ("Phoebastria", "Diomedeidae"),
    "Parakeet Auklet": ("Aethia", "Alcidae"),
}
TAXONOMY = taxonomy_of(("species", "genus", "family"), BIRDS, "birds")
ASKED = "Which species is this bird?"
LISTED = 'Which one? Choose one answer from the following list: "Laysan Albatross", "Parakeet Auklet".'


@pytest.mark.parametrize(
    ("question", "gold", "answer", "strict", "level"),
    [
        (ASKED, "laysan albatross", "It is a Laysan albatross.", 1, 1),
        (ASKED, "laysan albatross", "black-footed albatross", 0, 0),
        (ASKED, "laysan albatross", "some Phoebastria", 0, 2 / 3),
        (ASKED, "laysan albatross", "an albatross", 0, 2 / 3),
        (ASKED, "laysan albatross", "one of the Diomedeidae", 0, 1 / 3),
        (ASKED, "laysan albatross", "one of the Alcidae", 0, 0),
        (ASKED, "laysan albatross", "", 0, 0),
        ("Which genus is it?", "Phoebastria", "Phoebastria", 1, 1),
        ("Which genus is it?", "Phoebastria", "laysan albatross", 0, 1),
        ("Which genus is it?", "Phoebastria", "Diomedeidae", 0, 1 / 2),
        ("Is it an auklet?", "no", "No, it is not.", 1, 1),
        (LISTED, "Laysan Albatross", "Laysan Albatross", 1, 1),
        (LISTED, "Laysan Albatross", "Laysan Albatross or Parakeet Auklet", 0, 0),
        (LISTED, "Laysan Albatross", "Phoebastria", 0, 0),
    ],
)
def test_an_answer_is_worth_what_evaluation_would_make_of_it(question, gold, answer, strict, level):
    assert strict_reward(question, gold, answer) == strict
    assert LevelReward([TAXONOMY])(question, gold, answer) == pytest.approx(level)


def turns(*values: str) -> list[dict]:
    return [{"from": "gpt" if place % 2 else "human", "value": value} for place, value in enumerate(values)]


def test_rows_without_single_questions_are_refused():
    single = {"id": 1, "conversations": turns("what?", "wug")}
    several = {"id": 2, "turns": "independent", "conversations": turns("what?", "wug", "and?", "mek")}
    check_rows("more", {"fine": [single, several]}, "grpo")
    for row, told in (
        ({"id": 3, "conversations": turns("what?", "wug", "and?", "mek")}, "a dialogue of 4 turns"),
        ({"id": 3, "conversations": [{"from": "gpt", "value": "a text"}]}, "plain text"),
    ):
        with pytest.raises(UserError, match=f"stages.more.mix.text: row 3 is {told}.*turns: independent"):
            check_rows("more", {"text": [row]}, "grpo")
