"""Answers as columns: whatever the order of rows, in little memory, and only where they give the score."""

import json
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fakes import make_run

from data_builders.shared.errors import UserError
from data_builders.shared.files import write_jsonl
from evaluation.ledger import WORDS, ItemStore, load_run, primary, task_history, transition, transitions
from evaluation.ledger.answers import read_answers
from evaluation.ledger.most_forgotten import most_forgotten, own_steps
from evaluation.ledger.transitions import times_forgotten
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.task_files import task_without_items


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=8))
def test_whole_columns_say_the_same_as_single_histories(histories):
    right = np.asarray(histories).T
    words = transitions(right)
    for number, history in enumerate(histories):
        for step in range(3):
            assert WORDS[words[step, number]] == transition(history[: step + 2])
    assert times_forgotten(right).tolist() == [sum(a and not b for a, b in pairwise(h)) for h in histories]


def answers(tmp_path, rows, task="drawn/count", rule="exact"):
    path = tmp_path / "a.jsonl"
    write_jsonl(path, rows)
    return read_answers(path, task, rule, "root", {})


def row(number, answer="3", gold="3", **more):
    return {"task": "drawn/count", "question_id": number, "image": f"{number // 2}.png", "category": "x",
            "question": "How many?", "gold": gold, "answer": answer, "finished": True, **more}  # fmt: skip


@given(st.permutations(range(12)))
def test_the_order_of_rows_changes_nothing(tmp_path_factory, order):
    tmp_path = tmp_path_factory.mktemp("rows")
    rows = [row(number, str(number % 3)) for number in range(12)]
    first, other = answers(tmp_path, rows), answers(tmp_path, [rows[i] for i in order])
    for name in ("ids", "scores", "faults", "influence"):
        assert np.array_equal(getattr(first, name), getattr(other, name))
    assert [other.row(place)["question_id"] for place in range(12)] == list(range(12))


def test_names_as_ids_and_a_torn_last_line(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [json.dumps(row(0) | {"question_id": name}) + "\n" for name in ("b", "a")]
    path.write_text("".join(lines) + '{"question_id": "c", "ans')
    found = read_answers(path, "drawn/count", "exact", "root", {})
    assert found.ids.tolist() == ["a", "b"]


def test_broken_rows_are_named_with_their_file_and_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row(1)) + "\nnonsense\n" + json.dumps(row(2)) + "\n")
    with pytest.raises(UserError, match=r"a\.jsonl, line 2"):
        read_answers(path, "drawn/count", "exact", "root", {})
    path.write_text('{"question_id": 1}\n')
    with pytest.raises(UserError, match=r"a\.jsonl: a row is no answer row"):
        read_answers(path, "drawn/count", "exact", "root", {})
    path.write_text("")
    assert read_answers(path, "drawn/count", "exact", "root", {}) is None


def test_a_number_that_is_no_mean_is_followed_too(tmp_path):
    """POPE's headline is the mean of three splits' F1: its items still give it, and the sum of their shares is it."""
    rows = [
        row(n, ("yes", "no")[n % 3 == 0], ("yes", "no")[n % 2], category="popular", details={"category": "popular"})
        for n in range(30)
    ]
    task = task_without_items("pope")
    value = score_answers(task, rows).main.value
    found = answers(tmp_path, rows, "pope", task.primary)
    assert found.value == pytest.approx(value)
    # first-order shares of a ratio add up to nothing
    assert found.influence.sum() == pytest.approx(0, abs=1e-2)


def test_columns_take_little_memory(tmp_path):
    path = tmp_path / "a.jsonl"
    with open(path, "w") as file:
        for number in range(20_000):
            file.write(json.dumps(row(number, "x" * 500)) + "\n")
    tracemalloc.start()
    found = read_answers(path, "drawn/count", "exact", "root", {})
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.ids) == 20_000
    assert kept < 20_000 * 260  # mostly the images' names
    assert most < 20_000 * 900  # less than the file


def test_a_shared_stage_forgets_once(tmp_path):
    run = load_run(make_run(tmp_path, "one", rows=20))
    history = task_history(ItemStore(), run, "drawn/count")
    models = [["a", "b", "c", "d"], ["a", "b", "c", "e"], ["", "", "", ""]]
    assert own_steps(models) == [[0, 1, 2], [2], [0, 1, 2]]
    alone = most_forgotten({"drawn/count": {0: history}}, models[:1])
    twice = most_forgotten({"drawn/count": {0: history, 1: history}}, models[:2])
    times = {one.question_id: one.times for one in alone}
    last = dict(zip(history.ids.tolist(), history.times_forgotten([2]).tolist(), strict=True))
    assert {one.question_id: one.times for one in twice} == {key: t + last[key] for key, t in times.items()}
    assert alone[0].times == max(history.times_forgotten())


def test_a_mean_of_nothing_but_zeros_still_has_an_interval(tmp_path):
    run = load_run(make_run(tmp_path, "zero", rows=20, tasks={"drawn/count": ("general", 0, 0, 0, 0)}))
    from evaluation.ledger import group_mean

    mean = group_mean(ItemStore(), run, run.last, "general")
    assert (mean.value, mean.low) == (0, 0)
    assert mean.high == pytest.approx(100 * (1 - 0.025 ** (1 / 10)))
    assert primary(run.last.tasks["drawn/count"])["value"] == 0
