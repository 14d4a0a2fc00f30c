"""FG-BMK's attribute and knowledge bias files: by attribute and group, by category and ranked."""

import json

import pytest
from evaluation_fakes import FakeAnswerer

from data_builders.__main__ import main as build
from data_builders.templates import ATTRIBUTE_CHOICE, ATTRIBUTE_TRUE_FALSE, attribute_choice, attribute_true_false
from evaluation.__main__ import main as score_file
from evaluation.asking import evaluate
from evaluation.scoring.group_values import attribute_of
from evaluation.tasks.load import load_tasks
from evaluation.tasks.question_files import quoted_options
from evaluation.tasks.task_files import task_without_items

ATTRIBUTES = ("wing color", "under tail color", "head pattern", "shape", "bill length", "size", "primary color")
TRACKS = "hierarchy,knowledge_bias,attributes"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    place = tmp_path_factory.mktemp("fgbmk")
    drawn = ["drawn", "--source", "cub", "--out", str(place / "cub"), "--test-images-per-species", "2"]
    build([*drawn, "--train-images-per-species", "1"])
    asked = ["fgbmk", "--root", str(place / "cub"), "--out", str(place / "data"), "--source", "cub"]
    build([*asked, "--tracks", TRACKS])
    return place / "data"


def teacher(task):
    golds = {(item.image_path.name, item.prompt): item.gold for item in task.items}
    return lambda image, prompt: golds[image, prompt]


def test_the_benchmarks_name_takes_all_of_its_tracks(data):
    names = [task.name for task in load_tasks(["fgbmk"], [data])]
    assert {"fgbmk/cub/knowledge_bias", "fgbmk/cub/attributes", "fgbmk/cub/species/choice"} <= set(names)
    assert [task.name for task in load_tasks(["fgbmk_attributes"], [data])] == ["fgbmk/cub/attributes"]
    assert task_without_items("fgbmk/cub/knowledge_bias").kind == "true_false"
    assert task_without_items("fgbmk/cub/attributes").kind == "attributes"


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_the_attribute_is_read_from_every_wording(attribute):
    for which in range(len(ATTRIBUTE_TRUE_FALSE)):
        question = attribute_true_false(which, attribute, "bird", "multi-colored")
        assert attribute_of(question) == (attribute, "true_false"), question
    for which in range(len(ATTRIBUTE_CHOICE)):
        question = attribute_choice(which, attribute, "bird", ["red", "blue"])
        assert attribute_of(question) == (attribute, "choice"), question
    assert attribute_of("Is this a bird?") is None


def test_options_are_read_with_and_without_quotes():
    asked = "What is the wing color of the bird? Choose one from the following list: "
    assert quoted_options(asked + '"blue", "light brown".') == ("blue", "light brown")
    assert quoted_options(asked + "blue, light brown.") == ("blue", "light brown")
    assert quoted_options(asked + "blue, light brown. Answer shortly.") == ("blue", "light brown")


def test_attributes_and_their_groups(data, tmp_path):
    (task,) = load_tasks(["fgbmk/cub/attributes"], [data])
    right = teacher(task)

    def reply(image, prompt):
        return right(image, prompt) if "crown color" not in prompt else "nothing"

    score = evaluate(FakeAnswerer(reply), [task], tmp_path)[task.name]
    assert {one.rule for one in score.scores} == {"released", "strict"}
    found = {(group.by, group.name): group for group in score.groups}
    assert found["attribute_choice", "crown color"].value == 0
    assert found["attribute_choice", "body color"].value == 100
    colors = [group for key, group in found.items() if key[0] == "attribute_choice" and key[1].endswith("color")]
    # as in the paper's table: a group is the mean of its attributes, not of its questions
    mean = sum(group.value for group in colors) / len(colors)
    assert found["attribute_group_choice", "color"].value == pytest.approx(mean)
    for kind in ("choice", "true_false"):
        count = sum(group.n for key, group in found.items() if key[0] == f"attribute_{kind}")
        assert count == found["question_kind", kind].n
    assert found["question_kind", "choice"].n + found["question_kind", "true_false"].n == score.n
    images = next(one for one in score.scores if one.metric == "accuracy_by_image")
    assert (images.value, images.n) == (0, score.images)  # no image has all of its questions right


def test_categories_are_ranked(data, tmp_path):
    (task,) = load_tasks(["fgbmk/cub/knowledge_bias"], [data])
    right = teacher(task)
    categories = sorted({item.category for item in task.items})
    known, unknown = categories[0], categories[1]
    of = {item.image_path.name: item.category for item in task.items}

    def reply(image, prompt):
        # "yes" to everything is right for one question of two
        return right(image, prompt) if of[image] == known else "?" if of[image] == unknown else "yes"

    score = evaluate(FakeAnswerer(reply), [task], tmp_path)[task.name]
    ranked = [group for group in score.groups if group.by == "category"]
    assert (ranked[0].name, ranked[0].value) == (known, 100)
    assert (ranked[-1].name, ranked[-1].value) == (unknown, 0)
    assert [group.value for group in ranked] == sorted((group.value for group in ranked), reverse=True)
    released = {one.metric: one for one in score.scores if one.rule == "released"}
    assert released["best_category"].value == 100
    assert released["worst_category"].value == 0
    assert released["spread_of_category"].value == 100
    assert released["mean_of_category"].value == pytest.approx(sum(one.value for one in ranked) / len(ranked))
    assert released["worst_category"].n == ranked[-1].n
    assert any(repr(unknown) in note for note in score.notes)
    assert score.main.metric == "accuracy"


def test_the_published_form_of_the_two_files_is_scored(data, tmp_path):
    for name in ("fgbmk/cub/knowledge_bias", "fgbmk/cub/attributes"):
        (task,) = load_tasks([name], [data])
        rows = [
            {
                "question_id": item.question_id,
                "image": item.image,
                "prompt": item.question,
                "text": item.gold,
                "class": item.gold,
                "category": item.category,
            }
            for item in task.items
        ]
        path = tmp_path / "p.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        out = tmp_path / "score.json"
        assert score_file(["score", name, "--predictions", str(path), "--out", str(out)]) == 0
        score = json.loads(out.read_text())
        assert score["scores"][0]["value"] == 100
        assert score["groups"]


def test_names_from_a_file_do_not_steer_the_terminal(tmp_path, capsys):
    row = {"question_id": 1, "image": "1.png", "prompt": "Is it?", "text": "yes", "class": "yes"}
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({**row, "category": "\x1b[2J\u202e[bold]"}) + "\n")
    assert score_file(["score", "fgbmk/cub/knowledge_bias", "--predictions", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert "[bold]" in shown
