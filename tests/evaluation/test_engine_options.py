"""The options of closed questions are weighed beside the answer, and rows without them stay readable."""

import json

import pytest
from evaluation_fakes import SPECIES, FakeAnswerer, make_benchmark

from evaluation.asking import ask
from evaluation.asking.option_probabilities import options_of, spoken, weighed
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task import Item


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    return load_tasks(["fgbmk", "drawn"], [make_benchmark(tmp_path_factory.mktemp("benchmark"))])


def item(gold, options=()):
    return Item(1, "a.png", None, "?", "?", gold, "generic", tuple(options))


@pytest.mark.parametrize(
    ("gold", "options", "expected"),
    [
        ("yes", (), ("yes", "no")),
        ("No", (), ("yes", "no")),
        ("lum wug", SPECIES, SPECIES),
        ("Lum_Wug", SPECIES, SPECIES),
        ("B", ("red", "green", "blue"), ("A", "B", "C")),  # asked for the option's letter
        ("D", ("red", "green", "blue"), ()),
        ("lum wug", (), ()),
        (["17", "seventeen"], (), ()),
        ("red", ("red",), ()),
        ("red", ("red", "blue", "red"), ("red", "blue")),
    ],
)
def test_closed_questions_have_options(gold, options, expected):
    assert options_of(item(gold, options)) == tuple(expected)


def test_an_option_weighs_what_its_likeliest_form_weighs():
    asked = item("yes")
    assert spoken(asked) == ("yes", "Yes", "no", "No")
    assert weighed(asked, [(-5.0, 1), (-2.0, 2), (-3.0, 1), (-4.0, 1)]) == {"yes": [-2.0, 2], "no": [-3.0, 1]}


def test_rows_of_closed_questions_hold_the_weights_of_their_options(tasks, tmp_path):
    for name, rows in ask(FakeAnswerer(), tasks, tmp_path).items():
        for row in rows:
            found = row.get("options_log_probability")
            if "choice" in name:
                assert found == {one: [-float(len(one)), len(one)] for one in SPECIES}
            elif "true_false" in name or "presence" in name:
                assert found == {"yes": [-3.0, 3], "no": [-2.0, 2]}
            else:
                assert found is None


def test_weights_can_be_left_out_and_answers_serve_either_way(tasks, tmp_path):
    without = ask(FakeAnswerer(), tasks, tmp_path / "out", options=False)
    assert not any("options_log_probability" in row for rows in without.values() for row in rows)
    again = FakeAnswerer()
    assert ask(again, tasks, tmp_path / "out") == without
    assert again.asked == []
    weighed_rows = ask(FakeAnswerer(), tasks, tmp_path / "other")
    again = FakeAnswerer()
    assert ask(again, tasks, tmp_path / "other", options=False) == weighed_rows
    assert again.asked == []
    for task in tasks:
        assert score_answers(task, without[task.name]) == score_answers(task, weighed_rows[task.name])


def test_a_damaged_weight_is_dropped_and_the_answer_kept(tasks, tmp_path):
    whole = ask(FakeAnswerer(), tasks, tmp_path)
    path = tmp_path / "fgbmk__cub__species__true_false.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row, damage in zip(rows, ["x", [1], {"yes": [0, 1]}, None, {}, 3, {"no": 1, "yes": 2}, []], strict=True):
        row["options_log_probability"] = damage
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = FakeAnswerer()
    found = ask(model, tasks, tmp_path)["fgbmk/cub/species/true_false"]
    assert model.asked == []
    assert [row["answer"] for row in found] == [row["answer"] for row in whole["fgbmk/cub/species/true_false"]]
    assert not any("options_log_probability" in row for row in found)
