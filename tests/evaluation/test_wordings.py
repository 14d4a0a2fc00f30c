"""Scores of questions asked in every wording: spread, what chance would make of it, and answering alike."""

import json

import numpy as np
import pytest

from data_builders.shared.seeding import draw
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.task import load_tasks, task_without_items

NAME = "fgbmk_wordings/cub/species/short_answer"
TASK = task_without_items(NAME)


def rows(right_QW, said=None):
    """Answer rows of questions x wordings; `said`: what a wrong answer is, by wording."""
    return [
        {
            "question_id": f"{q + 1}/{w + 1}", "image": f"{q}.jpg", "category": "generic", "gold": "blue jay",
            "question": "Which species is it?", "answer": "Blue-Jay" if right else (said or ["crow"] * 99)[w],
        }
        for q, row in enumerate(right_QW)
        for w, right in enumerate(row)
    ]  # fmt: skip


def numbers(answers):
    score = score_answers(TASK, answers)
    return {one.metric: one for one in score.scores if one.rule == "released"}, score


def test_spread_and_shares_are_what_they_say():
    right = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]] * 5)
    found, score = numbers(rows(right))
    by_wording = {one.name: one.value for one in score.groups if one.by == "wording"}
    assert by_wording == {"1": 75, "2": 75, "3": 50, "4": 25}
    assert found["spread_of_wording"].value == pytest.approx(50)
    assert found["alike_in_all_wordings"].value == pytest.approx(50)  # all right, or all wrong
    assert found["alike_in_all_wordings"].n == 20
    assert found["accuracy_by_image"].value == pytest.approx(25)  # right in every wording
    assert found["same_answer_in_all_wordings"].value == pytest.approx(50)
    other, _ = numbers(rows(right, said=["crow", "crow", "crow", "raven"]))
    assert other["same_answer_in_all_wordings"].value == pytest.approx(25)  # wrong alike, but not the same word
    assert other["alike_in_all_wordings"].value == pytest.approx(50)


def test_a_spread_of_chance_alone_is_told_from_one_of_the_wording():
    coin = draw("coin")
    ability = coin.random((400, 1))
    noise, score = numbers(rows(coin.random((400, 4)) < ability))
    assert noise["spread_of_wording"].value > 0
    assert noise["spread_of_wording_by_chance"].low < noise["spread_of_wording"].value
    assert noise["spread_of_wording"].value < noise["spread_of_wording_by_chance"].high
    real, _ = numbers(rows(coin.random((400, 4)) < ability - [0, 0, 0, 0.2]))
    assert real["spread_of_wording"].low > real["spread_of_wording_by_chance"].high
    assert any("by chance with p = " in note for note in score.notes)


def test_questions_without_an_answer_in_every_wording_count_for_the_spread_alone():
    answers = rows([[1, 1], [1, 0], [0, 0]])
    found, _ = numbers([*answers, {**answers[0], "question_id": "9/1", "answer": "crow"}])
    assert found["alike_in_all_wordings"].n == 3
    assert found["spread_of_wording"].n == 7
    alone, score = numbers(rows([[1], [0]]))
    assert "spread_of_wording" not in alone
    assert not any("wordings" in note for note in score.notes)


def test_the_order_of_answers_does_not_matter_and_files_are_read(tmp_path):
    right = draw("order").random((30, 4)) < 0.6
    answers = rows(right)
    assert score_answers(TASK, answers) == score_answers(TASK, answers[::-1])
    folder = tmp_path / "FG-BMK/human-oriented/wordings/cub/species"
    folder.mkdir(parents=True)
    asked = [
        {"question_id": r["question_id"], "image": r["image"], "text": r["question"], "class": r["gold"]}
        for r in answers
    ]
    (folder / "species_question_short_answer.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    (tmp_path / "FG-BMK/images.json").write_text('{"cub": "."}')
    (task,) = load_tasks(["fgbmk_wordings"], [tmp_path])
    assert (task.name, task.kind, task.groups) == (NAME, "short_answer", ("wording",))
    assert [one.value for one in score_answers(task, answers).scores] == [
        one.value for one in score_answers(TASK, answers).scores
    ]
