"""Scores of questions asked in every wording: spread, what chance would make of it, and answering alike."""

import json

import numpy as np
import pytest

from data_builders.shared.files import read_json, write_json, write_jsonl
from data_builders.shared.seeding import draw
from evaluation.scoring.score_answers import score_answers
from evaluation.study import StudyRuns, study_answer
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task_files import task_without_items

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


def test_the_spread_is_a_measure_of_a_study(tmp_path):
    """TASK:spread: the value of scores.json, seed by seed, followed image by image to the contrast's interval."""
    coin, arms = draw("study"), {}
    for arm, loss in (("one", 0.4), ("four", 0.05)):
        for seed in (17, 18, 19):
            folder = tmp_path / f"{arm}_{seed}"
            answers = rows(coin.random((120, 4)) < 0.7 - np.array([0, 0, 0, loss]))
            answers = [{**one, "task": NAME, "prompt": one["question"], "finished": True} for one in answers]
            write_jsonl(folder / "answers" / "sft" / f"{NAME.replace('/', '__')}.jsonl", answers)
            score = score_answers(TASK, answers).to_json()
            point = {"name": "sft", "stage": "sft", "samples_seen": 1, "step": 1, "model_hash": f"{arm}{seed}"}
            write_json(folder / "scores.json", {"run": folder.name, "checkpoints": [{**point, "tasks": {NAME: score}}]})
            arms.setdefault(arm, {})[seed] = folder
    measure = f"{NAME}:spread"
    answer = study_answer(StudyRuns("s", "Which?", arms, (measure, NAME), (("one", "four"),)))
    for arm, seeds in arms.items():
        for seed, folder in seeds.items():
            score = read_json(folder / "scores.json")["checkpoints"][0]["tasks"][NAME]
            spread = next(one["value"] for one in score["scores"] if one["metric"] == "spread_of_wording")
            assert answer.arm(arm).means[measure].per_seed[seed] == pytest.approx(spread)
    (contrast,) = [one for one in answer.contrasts if one.measure == measure]
    assert contrast.value > 20
    assert contrast.low > 0
    assert not any("do not lie on disk" in note for note in answer.notes)
