"""The report shows each checkpoint's outcomes and where exact names went; files beside the answers tell it."""

import html
import re
from collections import Counter

import pytest
from report_fakes import make_run

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, read_jsonl, write_json, write_jsonl
from evaluation.judging.recognition import OUTCOMES
from evaluation.judging.taxonomy import taxonomy_of
from evaluation.ledger import load_run, primary
from evaluation.ledger.name_moves import name_moves
from evaluation.report import write_report
from evaluation.scoring.name_outcomes import named_file, with_names
from evaluation.scoring.score_answers import score_answers
from evaluation.shared.measure_names import read_measure
from evaluation.study.at_checkpoint import by_metric
from evaluation.tasks.task_files import task_without_items

TASK = "fgbmk/cub/species/short_answer"
TREE = {
    "scarlet tanager": ("tanager",),
    "summer tanager": ("tanager",),
    "blue jay": ("jay",),
    "green jay": ("jay",),
    "house wren": ("wren",),
    "marsh wren": ("wren",),
}


def with_measured_names(run):
    """The run as an evaluation leaves it that had a taxonomy at hand."""
    taxonomy, task = taxonomy_of(("species", "genus"), TREE, "birds.csv"), task_without_items(TASK)
    scores = read_json(run / "scores.json")
    outcomes = []
    for checkpoint in scores["checkpoints"]:
        folder = run / "answers" / checkpoint["name"]
        rows = list(read_jsonl(folder / task.file_name))
        score, named = with_names(score_answers(task, rows), task, rows, taxonomy)
        checkpoint["tasks"][TASK] = score.to_json()
        named_file(folder, task).parent.mkdir()
        write_jsonl(named_file(folder, task), named)
        outcomes.append({one["question_id"]: one["outcome"] for one in named})
    write_json(run / "scores.json", scores)
    return outcomes


def test_the_report_shows_what_answers_name_and_where_exact_names_went(tmp_path):
    run = make_run(tmp_path, "fg")
    write_report([run], tmp_path / "without.html")
    assert "What answers name" not in (tmp_path / "without.html").read_text()
    outcomes = with_measured_names(run)
    moves = name_moves(load_run(run), TASK)
    assert [(one.before, one.after) for one in moves] == [("start", "align"), ("align", "sft"), ("sft", "fg")]
    for one, before, after in zip(moves, outcomes, outcomes[1:], strict=False):
        counted = Counter((before[key], after[key]) for key in before)
        assert {(a, b): one.of(a)[b] for a in OUTCOMES for b in OUTCOMES if one.of(a)[b]} == counted
        assert one.counts.sum() == len(before)
    write_report([run], tmp_path / "report.html")
    page = html.unescape((tmp_path / "report.html").read_text())
    section = page[page.index("What answers name") :].split("<section>")[0]
    assert len(re.findall(r'class="stack"', section)) >= 4 + sum(one.of("name_exact") != {} for one in moves[1:])
    exact = Counter(outcomes[-1].values())["name_exact"] / len(outcomes[-1])
    assert f"<b>{100 * exact:.1f}</b> exact" in section
    assert "<code>name_exact</code>" not in page  # they have bars, not lines of the table of scores


def test_a_checkpoint_without_names_has_no_moves(tmp_path):
    run = make_run(tmp_path, "fg")
    assert name_moves(load_run(run), TASK) == []
    with_measured_names(run)
    named_file(run / "answers/align", task_without_items(TASK)).unlink()
    assert [(one.before, one.after) for one in name_moves(load_run(run), TASK)] == [("sft", "fg")]


def test_a_study_may_measure_an_outcome(tmp_path):
    run = make_run(tmp_path, "fg")
    with pytest.raises(UserError, match="has no sibling under the rule"):
        by_metric(load_run(run), TASK, "sibling", f"{TASK}:sibling")
    outcomes = with_measured_names(run)
    for outcome in OUTCOMES:
        points = by_metric(load_run(run), TASK, outcome, f"{TASK}:{outcome}").checkpoints
        shares = [list(one.values()).count(outcome) / len(one) for one in outcomes]
        assert [primary(one.tasks[TASK])["value"] for one in points] == pytest.approx([100 * one for one in shares])
        assert read_measure(f"{TASK}:{outcome}").better == int(outcome == "name_exact")
