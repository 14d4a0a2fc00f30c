"""Seen and unseen categories in the report and the comparison: a table, and FG-BMK's figure with the two apart."""

import json

import pytest
from report_rich import make_rich_run

from data_builders.shared.files import read_json, read_jsonl, write_json
from data_builders.sources import same_name
from evaluation.compare import compare_runs, print_comparison
from evaluation.compare.files import to_json
from evaluation.held_out import Sides, write_sides
from evaluation.ledger import load_run
from evaluation.report import write_report
from evaluation.report.bias import bias_figures
from evaluation.report.seen import seen_table
from evaluation.scoring.score_answers import score_answers
from evaluation.scoring.seen_scores import PARTS
from evaluation.tasks.task_files import task_without_items

BIAS, CHOICE = "fgbmk/cub/knowledge_bias", "fgbmk/cub/species/choice"
UNSEEN = ("Blue Jay", "Scarlet Tanager")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of which two species are held out."""
    folder = make_rich_run(tmp_path_factory.mktemp("runs"), "mixed", mixed=True)
    scores, sides = read_json(folder / "scores.json"), {}
    for checkpoint in scores["checkpoints"]:
        for task in (BIAS, CHOICE):
            rows = list(read_jsonl(folder / "answers" / checkpoint["name"] / f"{task.replace('/', '__')}.jsonl"))
            lost = frozenset(row["image"] for row in rows if row["category"] in UNSEEN)
            seen = frozenset(row["image"] for row in rows) - lost
            sides[task] = Sides(seen, lost, "list", frozenset(map(same_name, UNSEEN)))
            made = score_answers(task_without_items(task), rows, sides=sides[task]).to_json()
            checkpoint["tasks"][task] = {**made, "image_root": checkpoint["tasks"][task]["image_root"]}
    write_json(folder / "scores.json", scores)
    write_sides(folder, sides)
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return compare_runs([load_run(folder)])


def test_categories_stand_apart_and_each_side_is_ranked_by_itself(found):
    (one,) = bias_figures(found)
    wide = one["sizes"]["wide"]
    assert [ribbon["name"] for ribbon in wide.ribbons] == ["seen categories", "unseen categories"]
    assert len(wide.boundaries) == 1
    for kind in ("before", "dot"):
        points = sorted((point for point in wide.points if point["class"] == kind), key=lambda point: point["x"])
        lost = [point["text"].endswith("unseen") for point in points]
        assert lost == [False] * 4 + [True] * 2
        assert {point["text"].split(",")[0] for point in points[4:]} == set(UNSEEN)
        assert all((point["x"] > wide.boundaries[0]) == apart for point, apart in zip(points, lost, strict=True))
        if kind == "before":
            heights = [point["y"] for point in points]  # pixels grow downwards: the best category comes first
            assert heights == sorted(heights[:4]) + sorted(heights[4:])


def test_the_table_and_the_comparison_give_each_part(found, folder, tmp_path, capsys):
    table = seen_table(found)
    assert [row["part"] for row in table["means"]] == list(PARTS)
    tasks = read_json(folder / "scores.json")["checkpoints"][-1]["tasks"]
    for title, rows in ((one["title"], one["rows"]) for one in table["tasks"]):
        (task,) = (one for one in tasks.values() if one["title"] == title)
        expected = {one["name"]: one for one in task["groups"] if one["by"] == "held_out"}
        assert {row["part"]: row["cells"][-1]["value"] for row in rows} == {k: v["value"] for k, v in expected.items()}
        assert {row["chance"] for row in rows} == {one["chance"] for one in expected.values()}
    means = to_json(found)["runs"][0]["overall"]["held_out"]
    for row in table["means"]:
        values = [
            rows["cells"][-1]["value"] for one in table["tasks"] for rows in one["rows"] if rows["part"] == row["part"]
        ]
        assert row["cells"][-1]["value"] == pytest.approx(sum(values) / len(values))
        assert means[row["part"]]["sft"]["value"] == pytest.approx(row["cells"][-1]["value"])
    print_comparison(found)
    assert "fine-grained, unseen: " in capsys.readouterr().out
    write_report([folder], tmp_path / "report.html", found)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Seen and unseen categories" in page
    assert json.dumps("2 categories unseen in training")[1:-1] in page


def test_a_run_that_holds_nothing_out_has_no_such_table(folder):
    (folder / "held_out.json").unlink()
    found = compare_runs([load_run(folder)])
    assert seen_table(found) is None
    assert found.runs[0].parts == {}
