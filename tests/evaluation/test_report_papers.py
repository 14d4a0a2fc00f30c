"""The papers' tables and figures: shown where a run has their data, with n and interval, and absent elsewhere."""

import json
import re
import shutil

import pytest
from report_fakes import make_run
from report_rich import ATTRIBUTES, make_rich_run
from test_report import Page

from data_builders.shared.files import read_json, write_json
from evaluation.compare import compare_runs
from evaluation.ledger import load_run
from evaluation.report import write_report
from evaluation.report.bias import bias_figures
from evaluation.report.curves import passes
from evaluation.report.machine import machine_tables
from evaluation.report.papers import attribute_tables, frow_table, part_tables, strategy_table


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return [make_rich_run(root, "mixed", mixed=True), make_rich_run(root, "then_fg")]


@pytest.fixture(scope="module")
def found(folders):
    return compare_runs([load_run(folder) for folder in folders])


@pytest.fixture(scope="module")
def page(folders, found, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "report.html"
    write_report(folders, out, found)
    return out.read_text(encoding="utf-8")


def test_every_attribute_stands_under_its_groups_mean(found):
    (table,) = attribute_tables(found)
    sections = {section["head"]["name"]: section for section in table["sections"]}
    assert list(sections) == ["color", "pattern", "shape", "size"]
    assert sorted(row["name"] for section in table["sections"] for row in section["rows"]) == sorted(ATTRIBUTES)
    for section in table["sections"]:
        for column in range(len(table["columns"])):
            mean = sum(row["cells"][column]["value"] for row in section["rows"]) / len(section["rows"])
            assert section["head"]["cells"][column]["value"] == pytest.approx(mean)


def test_categories_are_ranked_where_the_run_began(found):
    figures = bias_figures(found)
    assert [one["run"].name for one in figures] == ["mixed", "then_fg"]
    for one in figures:
        points = one["sizes"]["wide"].points
        ranked = sorted((point for point in points if point["class"] == "before"), key=lambda point: point["x"])
        before = [point["y"] for point in ranked]
        assert before == sorted(before)  # pixels grow downwards: the best category comes first
        assert len(points) == 2 * len(before) == 12
        assert all(re.search(r"\([\d.]+ to [\d.]+\), n = 40", point["text"]) for point in points)
        spread = next(s for _, scores in one["facts"] for s in scores if s["metric"].startswith("spread"))
        assert spread["value"] > 0


def test_frow_gives_three_numbers_a_data_set_and_names_the_judge(found, page):
    table = frow_table(found)
    assert [row["checkpoint"].name for row in table["rows"]] == ["start", "align", "sft", "start", "align", "sft", "fg"]
    assert all(row["judges"] == ["deterministic_judge"] for row in table["rows"])
    assert "judge: deterministic_judge" in page


def test_the_judges_reason_stands_by_the_answer(page):
    reasons = re.findall(r'<small class="reason"><bdi>(.*?)</bdi>', page)
    assert reasons
    assert all(reason.startswith("deterministic_judge — recognition ") for reason in reasons)


def test_strategies_stand_side_by_side_general_first(found):
    table = strategy_table(found)
    assert [row["run"].name for row in table["rows"]] == ["mixed", "then_fg"]
    assert table["columns"][-1] == "FG-BMK cub species short answer"
    assert all(title.startswith("Drawn") for title in table["columns"][:-1])


def test_passes_are_shown_where_they_differ(found, folders, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folders[0], copy)
    recipe = (copy / "recipe.resolved.yaml").read_text()
    (copy / "recipe.resolved.yaml").write_text(recipe.replace("{general: 1}", "{general: 10}", 1))
    figures = passes(compare_runs([load_run(folders[0]), load_run(copy)]))
    assert [one["wide"].title for one in figures] == ["general in align: passes against the mean of the tasks, %"]
    xs = sorted({point["x"] for point in figures[0]["wide"].points})
    assert len(xs) == 2


def test_features_and_ranks_are_shown_escaped(folders, page):
    tables = machine_tables([load_run(folders[0])])[0]
    probe = next(table for table in tables["tables"] if table["title"].startswith("Linear probe"))
    assert probe["columns"][:3] == ["DINOv2-L", "InternVL <tower> after its projector", "ViT"]
    assert [row["what"] for row in probe["rows"] if row["data"] == "cub"] == [
        "default: top-1, head chosen on validation",
        "default: top-1, head chosen on test",
    ]
    answered = [row["cells"][3] for row in probe["rows"] if row["data"] == "cub"]
    assert answered[0]["n"] == 60
    assert answered[1] is None
    assert "InternVL &lt;tower&gt; after its projector" in page
    assert page.count('src="data:image/svg+xml;base64,') == 2
    assert "critical distance 1.657" in page


@pytest.mark.parametrize("content", ["[]", "{", '{"tasks": 3, "model": "x"}', '{"average_ranks": 1}', '{"tasks": {}}'])
def test_other_programs_files_in_the_folder_are_no_error(tmp_path, content):
    folder = make_run(tmp_path, "run", rows=8)
    (folder / "features").mkdir()
    (folder / "features.json").write_text(content)
    (folder / "features" / "ranks.json").write_text(
        '{"average_ranks": ["a"], "critical_distance": null, "models": [1], "data_sets": 3}'
    )
    write_report([folder], tmp_path / "out.html")
    assert "Friedman p" not in (tmp_path / "out.html").read_text()


def test_every_number_of_the_papers_tables_has_n_and_interval(page):
    part = page[page.index("As in the papers") : page.index("Twelve examples")]
    cells = re.findall(r"<td[^>]*>(<b>.*?)</td>", part, re.S)
    assert len(cells) > 150
    for cell in cells:
        assert re.search(r"<small>−?[\d.]+–[\d.]+ · n [\d,]+</small>", cell), cell


def test_a_run_without_their_data_has_none_of_them(tmp_path):
    folder = make_run(tmp_path, "plain", rows=8)
    found = compare_runs([load_run(folder)])
    assert (attribute_tables(found), bias_figures(found), part_tables(found)) == ([], [], [])
    assert strategy_table(found) is None


def test_groups_of_another_shape_are_taken_as_they_come(folders, tmp_path):
    """{name, value, low, high, n} is all that a group needs."""
    folder = make_run(tmp_path, "other", rows=8)
    scores = read_json(folder / "scores.json")
    for checkpoint in scores["checkpoints"]:
        checkpoint["tasks"]["drawn/chart"]["groups"] = [
            {"name": "<b>x</b>", "value": 50, "low": 20, "high": 80, "n": 4}
        ]
    write_json(folder / "scores.json", scores)
    write_report([folder], tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text()
    assert "Drawn charts (ChartQA&#39;s rule), by part" in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    Page(page)


def test_the_changes_say_what_told_format_from_knowledge(page):
    part = page[page.index("Changes, tested") : page.index("Forgetting per task")]
    text = Page(f"<div>{part[part.index('<details') : part.rindex('</details>')]}</details></div>").text
    assert re.search(r"told by the log-probabilities of the options for \d+ of [\d,]+ answers", text)
    assert re.search(r"format [+−±][\d.]+ · knowledge [+−±][\d.]+", text)
    assert re.search(r"−\d+ \+\d+ of n 60 · p (< )?[\d.]+", text)


def test_steps_between_are_in_the_ledger(page):
    part = page[page.index("Question by question") : page.index("Forgotten most often")]
    assert "Steps between: the subset asked during training" in part
    assert "sft → fg step 10" in part


def test_hostile_text_in_groups_reasons_and_features_is_shown_and_not_obeyed(folders, tmp_path):
    evil = '"><script>alert(1)</script>\u202e'
    copy = tmp_path / "evil"
    shutil.copytree(folders[1], copy)
    scores = read_json(copy / "scores.json")
    for checkpoint in scores["checkpoints"]:
        for task in checkpoint["tasks"].values():
            for group in task.get("groups") or ():
                group["name"] = group["name"] + evil
    write_json(copy / "scores.json", scores)
    for path in (copy / "answers").glob("*/judged/*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row | {"Item_accuracy": evil}) + "\n" for row in rows))
    for path in (copy / "features").rglob("*.json"):
        path.write_text(path.read_text().replace("DINOv2-L", json.dumps(evil)[1:-1]))
    recipe = (copy / "recipe.resolved.yaml").read_text()
    (copy / "recipe.resolved.yaml").write_text(recipe.replace("{general: 1}", "{'<script>': 1}"))
    write_report([folders[0], copy], tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    parsed = Page(page)
    assert not any(tag == "script" or name.startswith("on") for tag, name, _ in parsed.attributes)
    assert "<script" not in page
    assert "\u202e" not in page
