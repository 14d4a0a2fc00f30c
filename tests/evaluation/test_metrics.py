"""Metrics: totals as the published scripts print them."""

import json
import math
import re

import numpy as np
import pytest
from test_rules import golden

from evaluation.scoring import metrics
from evaluation.scoring.matching import pope_label, released
from evaluation.scoring.score_judged import score_judged
from evaluation.scoring.statistics import cluster_sums
from evaluation.tasks.task_files import task_without_items


def value(measure, clusters=None):
    sums = cluster_sums(clusters if clusters is not None else range(len(measure.columns_NC)), measure.columns_NC)
    return float(measure.statistic((measure.per_image(sums) if measure.per_image else sums).sum(0)))


def yes_no_counts(labels, golds):
    said = [{"yes": 1, "no": 0}.get(label, -1) for label in labels]
    return metrics.yes_no_counts(np.asarray(said), np.asarray([gold == "yes" for gold in golds], bool))


def yes_no(labels, golds, rule):
    return {one.metric: value(one) for one in metrics.yes_no_measures(yes_no_counts(labels, golds), rule)}


def pope(answers, golds):
    return yes_no([pope_label(answer) for answer in answers], golds, "pope")


def test_overall_accuracy_counts_images_whose_questions_are_all_right():
    measure = metrics.accuracy_by_image([1, 0, 1, 1])
    assert value(measure, ["a", "a", "b", "c"]) == pytest.approx(2 / 3)
    assert value(metrics.accuracy([1, 0, 1, 1])) == 0.75


def test_pope_numbers():
    got = pope(["Yes", "Yes", "No", "No", "no"], ["yes", "no", "no", "yes", "no"])
    assert got == pytest.approx({"accuracy": 0.6, "precision": 0.5, "recall": 0.5, "f1": 0.5, "yes_ratio": 0.4})


def test_pope_without_a_denominator_is_zero_as_the_suites_define_it():
    assert pope(["No", "No"], ["yes", "no"]) == {
        "accuracy": 0.5,
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "yes_ratio": 0.0,
    }
    assert metrics.without_denominator(yes_no_counts(["no"], ["no"]), "pope") == [
        "precision (no answer is yes)",
        "recall (no gold is yes)",
    ]


def test_what_is_neither_yes_nor_no_counts_differently_in_the_suites():
    labels, golds = ["yes", None, "no", None], ["yes", "yes", "no", "no"]
    got = {rule: yes_no(labels, golds, rule) for rule in ("pope_lmms_eval", "pope_vlmevalkit")}
    assert got["pope_lmms_eval"] == {"accuracy": 0.5, "precision": 1, "recall": 1, "f1": 1, "yes_ratio": 0.5}
    assert got["pope_vlmevalkit"] == pytest.approx(
        {"accuracy": 0.5, "precision": 1, "recall": 0.5, "f1": 2 / 3, "yes_ratio": 0.25}
    )


def test_frow_percentages_divide_by_the_most_points():
    got = {one.metric: value(one) for one in metrics.frow_measures([2, 0], [3, 1])}
    assert got == pytest.approx({"final": 6 / 10, "recognition": 2 / 4, "content": 4 / 6})


def test_perplexity_weighs_tokens_not_texts():
    # e^(total loss / total tokens), not the mean of the texts' perplexities
    assert value(metrics.perplexity([-1.0, -9.0], [1, 3])) == pytest.approx(math.exp(10 / 4))


def test_per_category():
    assert metrics.per_category(["b", "a", "b"], [1.0, 0.0, 0.5]) == {"a": [0.0, 1], "b": [1.5, 2]}


def test_pope_totals_agree_with_the_script(shared):
    rows = golden(shared, "pope.dev.jsonl")
    parts = json.loads((shared / "golden" / "pope.dev.total.json").read_text())["parts"]
    for name in ("random", "popular", "adversarial", "pooled"):
        part = [row for row in rows if name in ("pooled", row["split"])]
        got = pope([row["answer"] for row in part], [row["gold"] for row in part])
        assert got == pytest.approx({key: parts[name][key] for key in got}, abs=1e-12)


def test_pope_degenerate_cases_agree_with_the_script(shared):
    for case in json.loads((shared / "golden" / "pope.degenerate.json").read_text()):
        if len(case["answers"]) != len(case["golds"]) or not case["golds"]:
            continue  # unpaired answers and no answers are refused before any metric
        got = pope(case["answers"], case["golds"])
        if case["error"]:
            # the script stops with a division by zero; here the ratio is 0
            assert got["f1"] == 0, case["name"]
            assert all(0 <= one <= 1 for one in got.values()), case["name"]
        else:
            printed = [float(one) for one in re.findall(r": ([\d.]+)\n", case["printed"])]
            assert list(got.values()) == pytest.approx(printed)


def test_fgbmk_totals_agree_with_the_script(shared):
    rows = golden(shared, "fgbmk.dev.jsonl")
    totals = json.loads((shared / "golden" / "fgbmk.dev.total.json").read_text())
    checked = 0
    for name, total in totals["groups"].items():
        if name.startswith("ALL cub"):
            part = [r for r in rows if r["file"].startswith("cub/") and r["kind"] != "trap_distractor_contains_gold"]
        else:
            part = rows if name.startswith("ALL rows") else [row for row in rows if row["file"] == name]
        scores = [released(row["text"], row["class"]).score for row in part]
        assert len(part) == total["rows"]
        overall = value(metrics.accuracy_by_image(scores), [row["image"] for row in part])
        assert 100 * overall == pytest.approx(total["overall_accuracy_percent"], abs=1e-9)
        assert value(metrics.accuracy(scores)) == pytest.approx(total["mean_row_accuracy"], abs=1e-12)
        checked += 1
    assert checked == 15
    part = [row for row in rows if row["file"].startswith("knowledge_bias")]
    table = metrics.per_category(
        [row["category"] for row in part], [released(row["text"], row["class"]).score for row in part]
    )
    expected = totals["knowledge_bias_rows_by_category"]
    assert table == {key: [one["correct"], one["total"]] for key, one in expected.items()}


def test_frow_judge_rows_agree_with_the_grading_script(shared):
    rows = golden(shared, "frow.dev.jsonl")
    task = task_without_items("frow/aircraft")
    for row in rows:
        if "error" in row["expected"]:
            continue
        scores = score_judged(task, shared, [row["judge"]]).scores
        assert {one.metric: one.value for one in scores} == pytest.approx(row["expected"], abs=1e-9)
    total = json.loads((shared / "golden" / "frow.dev.total.json").read_text())
    score = score_judged(task, shared, [row["judge"] for row in rows])
    got = {one.metric: one.value for one in score.scores}
    assert got == pytest.approx({key: total[key] for key in got}, abs=1e-9)
    assert score.n == total["valid_rows"]
    assert any(note.startswith("9 of 120 rows unjudged") for note in score.notes)


def test_columns_have_one_row_a_question():
    labels, golds = ["yes", "no", None], ["yes", "yes", "no"]
    assert yes_no_counts(labels, golds).argmax(1).tolist() == [metrics.TP, metrics.FN, metrics.NEITHER_NO]
    assert yes_no_counts(labels, golds).sum(1).tolist() == [1, 1, 1]
    assert np.shape(metrics.accuracy([1, 0]).columns_NC) == (2, 2)
