"""The general benchmarks: what the builder writes of each miniature is loaded, asked and scored to the end."""

import json

import pytest
from evaluation_fakes import FakeAnswerer

from data_builders.__main__ import main as build
from evaluation.asking import evaluate
from evaluation.scoring.predictions import load_questions, read_predictions
from evaluation.scoring.score_answers import item_scores, score_answers
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task_files import task_without_items

NAMES = ("ai2d", "chartqa", "docvqa", "infovqa", "mathvista", "pope")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The six benchmarks, drawn in their own layouts and built."""
    place = tmp_path_factory.mktemp("general")
    for name in NAMES:
        source = place / name
        build(["drawn", "--source", name, "--out", str(source)])
        asked = ["general", "--benchmark", name, "--root", str(source), "--out", str(place / "data")]
        build([*asked, "--allow-partial"])
    return place / "data"


@pytest.fixture(scope="module")
def tasks(data):
    return {task.name: task for task in load_tasks(list(NAMES), [data])}


def teacher(tasks) -> dict:
    """(image, prompt) -> the first gold."""
    return {
        (item.image_path.name, item.prompt): item.gold if isinstance(item.gold, str) else item.gold[0]
        for task in tasks.values()
        for item in task.items
    }


def asked(tasks, reply, place):
    return evaluate(FakeAnswerer(reply), list(tasks.values()), place)


def numbers(score, rule: str) -> dict[str, float]:
    return {one.metric: one.value for one in score.scores if one.rule == rule}


def test_a_recipes_tasks_are_found_by_the_benchmarks_names(tasks):
    assert tuple(tasks) == NAMES
    assert {task.group for task in tasks.values()} == {"general"}
    for task in tasks.values():
        assert task.items
        assert all(item.image_path.is_file() for item in task.items)


def test_the_prompts_are_the_questions_with_the_suites_suffixes(tasks):
    ends = {
        "ai2d": "directly.",
        "chartqa": "phrase.",
        "docvqa": "phrase.",
        "infovqa": "phrase.",
        "pope": "phrase.",
    }
    for name, end in ends.items():
        for item in tasks[name].items:
            assert item.prompt.startswith(f"{item.question}\n")
            assert item.prompt.endswith(end)
    assert all(item.prompt == item.question for item in tasks["mathvista"].items)
    assert all("Hint: " in item.prompt for item in tasks["mathvista"].items)


def test_a_part_of_a_benchmark_says_so(tasks):
    for task in tasks.values():
        assert any("not comparable with published scores" in note for note in task.notes)


def test_gold_answers_are_all_right_under_the_rules_that_stand_for_the_tasks(tasks, tmp_path):
    golds = teacher(tasks)
    for name, score in asked(tasks, lambda image, prompt: golds[image, prompt], tmp_path).items():
        assert score.main.value == 100, name
        assert score.main.n == score.n == len(tasks[name].items)
        assert score.main.rule == score.primary


def test_no_number_stands_without_its_count_and_interval(tasks, tmp_path):
    golds = teacher(tasks)
    scores = asked(tasks, lambda image, prompt: golds[image, prompt] if len(prompt) % 3 else "unsure", tmp_path)
    for score in scores.values():
        for one in [*score.scores, *score.groups]:
            assert one.n > 0
            assert one.low <= one.value <= one.high, (score.task, one)
            assert 0 <= one.low <= one.high <= 100


def test_the_parts_of_chartqa_weigh_the_same(tasks, tmp_path):
    human = {(item.image_path.name, item.prompt) for item in tasks["chartqa"].items if item.category == "human"}
    golds = teacher(tasks)
    one = {"chartqa": tasks["chartqa"]}
    kept = one["chartqa"].items[:30]  # of both parts, but not as many
    one = {"chartqa": type(tasks["chartqa"])(**{**tasks["chartqa"].__dict__, "items": kept})}
    score = asked(one, lambda image, prompt: golds[image, prompt] if (image, prompt) in human else "?", tmp_path)
    score = score["chartqa"]
    assert score.main.metric == "accuracy_mean_of_splits"
    assert score.main.value == 50
    assert numbers(score, "relaxed")["accuracy"] > 60
    assert {(group.name, group.value) for group in score.groups} == {("human", 100), ("augmented", 0)}


def test_pope_of_a_model_that_always_agrees_or_never(tasks, tmp_path):
    one = {"pope": tasks["pope"]}
    yes = asked(one, lambda *_: "Yes", tmp_path / "yes")["pope"]
    got = numbers(yes, "pope")
    assert (got["accuracy"], got["recall"], got["yes_ratio"]) == (50, 100, 100)
    assert yes.main.value == pytest.approx(200 / 3)
    never = asked(one, lambda *_: "No", tmp_path / "no")["pope"]
    assert never.main.value == 0  # the script divides by zero here
    assert any("nothing to divide by for precision" in note for note in never.notes)


def test_the_suites_stand_beside_with_the_number_of_questions_on_which_they_differ(tasks, tmp_path):
    score = asked({"pope": tasks["pope"]}, lambda *_: "NO", tmp_path)["pope"]
    # POPE's script knows No and no only
    assert numbers(score, "pope")["yes_ratio"] == 100
    assert numbers(score, "pope_vlmevalkit")["yes_ratio"] == 0
    assert score.differences == {"pope_lmms_eval": score.n, "pope_vlmevalkit": score.n}
    assert score.disagreements == score.n


def test_mathvista_counts_what_needs_a_model_and_guesses_nothing(tasks, tmp_path):
    one = {"mathvista": tasks["mathvista"]}
    score = asked(one, lambda image, prompt: "It is hard to tell, (A) or (B), 1 or 2.", tmp_path)["mathvista"]
    assert score.unparsed == dict.fromkeys(one["mathvista"].rules, score.n)
    assert score.main.value == 0
    assert any("answers unparsed under mathvista " in note for note in score.notes)
    letters = {(item.image_path.name, item.prompt): letter_of(item) for item in one["mathvista"].items}
    score = asked(one, lambda image, prompt: letters[image, prompt], tmp_path / "letters")["mathvista"]
    assert numbers(score, "mathvista_plain")["accuracy"] == 100
    # the official way asks a model what "(B)" means, and what "[1, 2]" does
    needs_one = [item for item in one["mathvista"].items if item.options or item.gold.startswith("[")]
    assert score.unparsed["mathvista"] == len(needs_one)


def letter_of(item) -> str:
    return f"({'ABCDEFGH'[item.options.index(item.gold)]})" if item.options else item.gold


def test_mathvista_is_scored_by_task_and_skill(tasks, tmp_path):
    golds = teacher(tasks)
    one = {"mathvista": tasks["mathvista"]}
    score = asked(one, lambda image, prompt: golds[image, prompt], tmp_path)["mathvista"]
    by = {group.by for group in score.groups}
    assert {"task", "skills", "question_type", "answer_type"} <= by
    for key in ("task", "question_type", "answer_type"):
        assert sum(group.n for group in score.groups if group.by == key) == score.n
    # a question may need several skills
    assert sum(group.n for group in score.groups if group.by == "skills") >= score.n


def test_answers_score_the_same_without_the_question_file(tasks, tmp_path):
    golds = teacher(tasks)
    scores = asked(tasks, lambda image, prompt: golds[image, prompt] if len(prompt) % 2 else "B. 3", tmp_path)
    for name, task in tasks.items():
        path = tmp_path / f"{name}.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert item_scores(task, rows) == item_scores(task_without_items(name), rows)
        whole = load_questions(name, task.source)
        answers, notes = read_predictions(whole, path)
        again = score_answers(whole, answers, notes=notes)
        assert again.scores == scores[name].scores
        assert again.groups == scores[name].groups
        answers, notes = read_predictions(task_without_items(name), path)
        assert score_answers(task_without_items(name), answers, notes=notes).scores == scores[name].scores


def test_a_reply_of_no_known_type_is_an_error_not_a_zero(tasks):
    row = {"question_id": 1, "image": "1.png", "category": "x", "question": "How many?", "gold": "3", "answer": "3"}
    with pytest.raises(Exception, match="nothing says of which type the answer is"):
        score_answers(task_without_items("mathvista"), [row])
