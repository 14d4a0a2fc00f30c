"""Question files -> tasks: names, selectors, images, and what is refused."""

import json

import pytest
from evaluation_fakes import HIERARCHY, make_benchmark, write_rows

from data_builders.shared.errors import UserError
from evaluation.tasks.load import load_tasks
from evaluation.tasks.question_files import quoted_options
from evaluation.tasks.task_files import all_specs, group_of, task_without_items

SPECIES_FOLDER = f"{HIERARCHY}/cub/species"


@pytest.fixture
def data(tmp_path):
    return make_benchmark(tmp_path / "data")


def names(tasks):
    return [task.name for task in tasks]


def test_every_task_file_is_valid_and_says_how_to_build_its_questions():
    for spec in all_specs().values():
        assert spec.primary in spec.rules
        assert spec.build


def test_published_names_and_misspellings_are_read(data):
    tasks = load_tasks(["fgbmk"], [data])
    assert names(tasks) == [f"fgbmk/cub/species/{kind}" for kind in ("choice", "short_answer", "true_false")]
    assert {task.kind for task in tasks} == {"choice", "short_answer", "true_false"}
    item = tasks[0].items[0]
    assert item.image_path.is_file()
    assert item.gold in item.options


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("fgbmk/cub/species/choice", ["fgbmk/cub/species/choice"]),
        ("fgbmk/cub", [f"fgbmk/cub/species/{kind}" for kind in ("choice", "short_answer", "true_false")]),
        ("fgbmk/*/true_false", ["fgbmk/cub/species/true_false"]),
        ("drawn", ["drawn/count", "drawn/document", "drawn/presence"]),
        ("drawn_count", ["drawn/count"]),
        ("frow", ["frow/cub"]),
        ("perplexity", ["perplexity/stories"]),
    ],
)
def test_selectors(data, selector, expected):
    assert names(load_tasks([selector], [data])) == expected


def test_a_task_named_twice_is_loaded_once(data):
    assert names(load_tasks(["frow", "frow/cub"], [data, data])) == ["frow/cub"]


def test_a_data_set_of_ones_own_is_a_task_of_fgbmk_and_may_be_called_general(data):
    source = data / SPECIES_FOLDER / "species_question_choice.jsonl"
    target = data / HIERARCHY / "grocery" / "product" / "product_question_choice.jsonl"
    target.parent.mkdir(parents=True)
    target.write_bytes(source.read_bytes())
    (data / "FG-BMK" / "images.json").write_text(json.dumps({"grocery": "../CUB_200_2011"}))
    assert "fgbmk/grocery/product/choice" in names(load_tasks(["fgbmk"], [data]))
    (task,) = load_tasks(["fgbmk/grocery"], [data])
    assert (task.name, task.group) == ("fgbmk/grocery/product/choice", "fine_grained")
    assert group_of(task.name, task.group, {"fgbmk/grocery": "general"}) == "general"
    assert task.items[0].image_path.is_file()


def test_images_json_goes_before_the_table_of_the_task_file(data):
    (data / "CUB_200_2011").rename(data / "elsewhere")
    (data / "FG-BMK" / "images.json").write_text(json.dumps({"cub": "../elsewhere"}))
    assert load_tasks(["fgbmk/cub/species/choice"], [data])[0].items[0].image_path.is_file()


def test_an_unknown_data_set_asks_for_its_images(data):
    (data / HIERARCHY / "cub").rename(data / HIERARCHY / "moths")
    with pytest.raises(UserError, match=r"images of 'moths'.*images\.json"):
        load_tasks(["fgbmk"], [data])


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("fgbm", "unknown task 'fgbm'"),
        ("drawn/chart", "Build|build it: python -m data_builders"),
        ("frow/dog", "build it"),
    ],
)
def test_a_missing_task_says_what_to_do(data, selector, message):
    with pytest.raises(UserError, match=message):
        load_tasks([selector], [data])


def test_a_missing_data_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="no data folder"):
        load_tasks(["fgbmk"], [tmp_path / "nowhere"])


def test_the_same_task_in_two_folders_is_refused(data, tmp_path):
    other = make_benchmark(tmp_path / "other")
    with pytest.raises(UserError, match="found twice"):
        load_tasks(["frow"], [data, other])


GOOD = {"question_id": 1, "image": "images/0.png", "text": "Which?", "class": "lum wug"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{**GOOD, "class": None}], "row 1: class"),
        ([GOOD, {key: value for key, value in GOOD.items() if key != "text"}], "row 2: no 'text'"),
        ([GOOD, GOOD], "question_id 1 occurs twice"),
        ([{**GOOD, "image": "../../secret.png"}], "row 1.*must be relative"),
        ([{**GOOD, "image": "/etc/passwd"}], "row 1.*must be relative"),
        ([{**GOOD, "question_id": True}], "row 1: question_id"),
        ([], "holds no questions"),
    ],
)
def test_broken_question_rows_are_refused_with_their_place(data, rows, message):
    write_rows(data / SPECIES_FOLDER / "species_question_choice.jsonl", rows)
    with pytest.raises(UserError, match=message):
        load_tasks(["fgbmk"], [data])


def test_option_lists_without_the_gold_are_counted_or_refused(data):
    options = 'Which? Choose one answer from the following list: "a", "b". Answer shortly.'
    rows = [{**GOOD, "text": options, "class": "b"}, {**GOOD, "question_id": 2, "text": options, "class": "c"}]
    write_rows(data / SPECIES_FOLDER / "species_question_choice.jsonl", rows)
    (task,) = load_tasks(["fgbmk/cub/species/choice"], [data])
    assert any("1 of 2 option lists lack the gold (question 2)" in note for note in task.notes)
    row = {"question_id": 1, "image": "0.png", "question": "Which?", "answer": "b", "options": ["a", "c"]}
    path = data / "general" / "count" / "questions.jsonl"
    write_rows(path, [{**row, "answer": "B"}, {**row, "question_id": 2, "answer": "a"}])
    assert load_tasks(["drawn/count"], [data])[0].notes == ()
    write_rows(path, [row])
    with pytest.raises(UserError, match=r"row 1: the options \('a', 'c'\) lack the answer 'b'"):
        load_tasks(["drawn/count"], [data])


def test_a_folder_that_is_still_being_built_is_refused(data):
    (data / "general" / "count" / ".building.json").write_text("{}")
    with pytest.raises(UserError, match="not built to the end; run the command again: python -m data_builders"):
        load_tasks(["drawn/count"], [data])


def test_options_are_the_quoted_names():
    question = 'Which? Choose one answer from the following list: "a b", "c", "d". Answer the question.'
    assert quoted_options(question) == ("a b", "c", "d")
    assert quoted_options('What is "this"?') == ()


def test_questions_that_need_no_picture_are_noted(data):
    row = {"image": "images/0.png", "category": "generic"}
    asked = [("Is it aves?", "yes"), ("Is it mammalia?", "no"), ("Is this of aves?", "yes")]
    rows = [{**row, "question_id": i, "text": text, "class": gold} for i, (text, gold) in enumerate(asked)]
    write_rows(data / HIERARCHY / "cub" / "class" / "class_question_true_false.jsonl", rows)
    (task,) = load_tasks(["fgbmk/cub/class"], [data])
    assert "solvable from the text" in task.notes[0]
    rows.append({**row, "question_id": 9, "text": "Is this aves?", "class": "no"})
    write_rows(data / HIERARCHY / "cub" / "class" / "class_question_true_false.jsonl", rows)
    assert load_tasks(["fgbmk/cub/class"], [data])[0].notes == ()
    assert all(not task.notes for task in load_tasks(["fgbmk/cub/species"], [data]))


def test_a_task_can_be_named_without_its_file():
    assert task_without_items("fgbmk/cub/species/true_false").kind == "true_false"
    assert task_without_items("perplexity/stories").is_text
    for wrong in ("fgbmk", "fgbmk/cub/species/essay", "grocery/product/choice", "nothing/here", ""):
        with pytest.raises(UserError):
            task_without_items(wrong)


def test_the_published_files_are_read(shared):
    tasks = load_tasks(["fgbmk", "frow"], [shared / "data"])
    assert {task.name: len(task.items) for task in tasks} == {
        **{
            f"fgbmk/cub/{level}/{kind}": 300
            for level in ("class", "genus", "species")
            for kind in ("choice", "true_false")
        },
        "fgbmk/cub/species/short_answer": 300,
        "frow/cub": 30,
    }
    noted = {task.name for task in tasks if task.notes}
    assert noted == {"fgbmk/cub/class/choice", "fgbmk/cub/class/true_false"}
    assert all(item.image_path.is_file() for task in tasks for item in task.items)
