"""The numbers behind the report: intervals, forgetting, the item ledger, figures and text."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fakes import make_run

from data_builders.shared.errors import UserError
from evaluation.ledger import (
    WORDS,
    ItemStore,
    Run,
    best_checkpoint,
    forgetting,
    load_run,
    mean_change,
    shared_tasks,
    task_history,
)
from evaluation.report.curves import loss_line, stage_spans
from evaluation.report.figures import short, ticks
from evaluation.report.text import num, signed, visible
from evaluation.scoring.statistics import clustered_mean


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return load_run(make_run(tmp_path_factory.mktemp("runs"), "sft_then_fg"))


def items(run, checkpoint, task):
    return ItemStore().answers(run, run.checkpoints[checkpoint], task)


def test_a_change_has_the_interval_of_the_paired_clustered_bootstrap(run):
    task = "drawn/count"
    before, after = items(run, 2, task), items(run, 3, task)
    drawn = clustered_mean(after.scores - before.scores, before.clusters)
    found = mean_change(ItemStore(), run, run.checkpoints[2], run.checkpoints[3], [task])
    assert found.paired
    assert found.value == pytest.approx(100 * drawn["mean"])
    assert found.low == pytest.approx(100 * drawn["low"], abs=2)
    assert found.high == pytest.approx(100 * drawn["high"], abs=2)


def test_tasks_about_the_same_pictures_are_no_independent_witnesses(run):
    """Twice the same answers under two names must not make the interval narrower."""
    store = ItemStore()
    first, last = run.checkpoints[0], run.last
    once = mean_change(store, run, first, last, ["drawn/count"])
    twice = store.estimate(
        [(sign / 2, run, c, "drawn/count") for sign, c in ((1, last), (-1, first)) for _ in range(2)], 2
    )
    assert twice.high - twice.low == pytest.approx(once.high - once.low)


def test_without_answers_the_interval_is_wider_and_the_value_the_same(run, tmp_path):
    (tmp_path / "scores.json").write_bytes((run.folder / "scores.json").read_bytes())
    bare = load_run(tmp_path)
    tasks = shared_tasks(run, "general")
    with_items = forgetting(ItemStore(), run, tasks)
    without = forgetting(ItemStore(), bare, tasks)
    assert without.value == pytest.approx(with_items.value)
    assert not without.paired
    assert without.n == with_items.n


def test_answers_that_do_not_give_the_score_are_not_believed(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    path = tmp_path / "run" / "answers" / "fg" / "drawn__count.jsonl"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:7]))
    other = load_run(tmp_path / "run")
    assert ItemStore().answers(other, other.last, "drawn/count") is None
    assert task_history(ItemStore(), other, "drawn/count") is None
    assert task_history(ItemStore(), other, "drawn/presence") is not None


def test_a_row_that_is_no_answer_is_the_users_error(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    path = tmp_path / "run" / "answers" / "fg" / "drawn__count.jsonl"
    path.write_text('{"answer": "7"}\n')
    other = load_run(tmp_path / "run")
    with pytest.raises(UserError, match="drawn__count"):
        ItemStore().answers(other, other.last, "drawn/count")


def test_the_ledger_counts_every_item_once_and_agrees_with_the_scores(run):
    for task in shared_tasks(run, "general") + shared_tasks(run, "fine_grained"):
        steps = task_history(ItemStore(), run, task).words()
        for index, counts in enumerate(steps):
            assert set(counts) == set(WORDS)
            assert sum(counts.values()) == 60
            now = int(items(run, index + 1, task).right.sum())
            assert counts["kept"] + counts["learned"] + counts["regained"] == now
        before = int(items(run, 2, task).right.sum())
        assert steps[2]["kept"] + steps[2]["forgotten"] == before


def test_forgetting_is_never_negative_and_zero_at_the_best(run):
    store = ItemStore()
    for task in shared_tasks(run, "fine_grained") + shared_tasks(run, "general"):
        lost = forgetting(store, run, [task])
        assert lost.value >= 0
        if best_checkpoint(run, task) is run.last:
            assert (lost.value, lost.low) == (0, 0)
            assert lost.high == pytest.approx(100 * (1 - 0.025 ** (1 / 30)))  # so much 30 pictures leave open


def test_rows_that_a_resume_wrote_again_count_once(run, tmp_path):
    text = (run.folder / "metrics.jsonl").read_text()
    again = [json.loads(line) for line in text.splitlines() if '"kind": "train"' in line][-3:]
    for row in again:
        row["loss"] = 9.0
    (tmp_path / "scores.json").write_bytes((run.folder / "scores.json").read_bytes())
    (tmp_path / "metrics.jsonl").write_text(text + "".join(json.dumps(row) + "\n" for row in again))
    resumed = load_run(tmp_path)
    assert len(resumed.train) == len(run.train)
    assert [row["loss"] for row in resumed.train[-3:]] == [9.0] * 3


def test_stages_come_from_metrics_or_else_from_checkpoints(run, tmp_path):
    (tmp_path / "scores.json").write_bytes((run.folder / "scores.json").read_bytes())
    assert stage_spans(0, load_run(tmp_path)) == stage_spans(0, run)
    assert [(s.name, s.start, s.end) for s in stage_spans(0, run)] == [
        ("align", 0, 600), ("sft", 600, 1500), ("fg", 1500, 2100),
    ]  # fmt: skip


def test_a_long_loss_line_is_averaged_and_keeps_its_mean():
    rows = [{"samples_seen": i, "loss": float(i % 7)} for i in range(24_000)]
    line = loss_line(Run("r", None, (), train=rows))
    assert len(line) <= 240
    assert np.mean([y for _, y in line]) == pytest.approx(np.mean([row["loss"] for row in rows]))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(3, 12))
def test_ticks_are_few_and_inside(low, width, count):
    found = ticks(low, low + width, count)
    assert len(found) <= 2.6 * count + 1
    slack = 1e-6 * max(1, abs(low), width)
    assert all(low - slack <= tick <= low + width + slack for tick in found)


@given(st.text())
def test_no_hidden_character_survives(text):
    shown = visible(text)
    shown.encode("utf-8")
    assert not set(shown) & set("\u202e\u200f\u2066\u200b\ufeff\x00\x1b\x7f\x9b\u2028\ud800")
    assert visible("plain é 漢字\n") == "plain é 漢字\n"


def test_numbers_are_written_one_way():
    assert [num(12.345), num(-0.04), num(None), num(float("nan")), num(-3)] == ["12.3", "0.0", "–", "–", "−3.0"]
    assert [signed(1), signed(-1), signed(0.01), signed(-0.01)] == ["+1.0", "−1.0", "±0.0", "±0.0"]
    assert [short(v) for v in (0, 1500, 2_400_000, 0.25, -20)] == ["0", "1.5k", "2.4M", "0.25", "−20"]
