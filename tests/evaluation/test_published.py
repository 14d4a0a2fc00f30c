"""The papers' numbers: each with table and conditions, shown on the same questions alone, and never averaged."""

import json
import re

import pytest
from report_rich import make_rich_run
from study_run_fakes import make_arms
from test_report import Page

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json, write_json
from evaluation.__main__ import main
from evaluation.compare import compare_runs
from evaluation.compare.files import to_json
from evaluation.compare.tables import print_comparison
from evaluation.ledger import load_run
from evaluation.published import paper_files
from evaluation.published.beside import beside, of_runs
from evaluation.published.of_study import mean_score
from evaluation.published.paper_files import Paper, papers
from evaluation.report.page import render
from evaluation.report.study_page import study_page
from evaluation.study import StudyRuns, study_answer
from evaluation.tasks.task_files import spec_of

SPECIES, GENUS, BIAS = "fgbmk/cub/species/choice", "fgbmk/cub/genus/choice", "fgbmk/cub/knowledge_bias"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run whose species and attribute tasks are as large as the published ones; its genus task is not."""
    folder = make_rich_run(tmp_path_factory.mktemp("runs"), "run", mixed=True)
    scores = read_json(folder / "scores.json")
    for checkpoint in scores["checkpoints"]:
        checkpoint["tasks"][SPECIES]["n"] = 5794
        checkpoint["tasks"][BIAS]["n"] = 11588
        checkpoint["tasks"]["fgbmk/cub/attributes"]["images"] = 5794
        frow = checkpoint["tasks"]["frow/cub"]
        frow |= {"n": 200, "scores": frow["scores"] + [{**frow["scores"][0], "rule": "gpt-4o-mini", "value": 44.4}]}
    write_json(folder / "scores.json", scores)
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return compare_runs([load_run(folder)])


def shown(found):
    return [one for one in beside(of_runs([one.run for one in found.runs])) if one.columns]


def test_every_file_fits_the_schema_and_names_tasks_and_rules_that_there_are():
    assert [one.source for one in papers()] == ["FG-BMK", "FG-BMK", "FROW", "Knowledge study"]
    for paper in papers():
        for table in paper.tables:
            for task in {table.task_of(column) for column in table.columns} if table.ours else ():
                if task.startswith("features/"):
                    assert re.fullmatch(r"features/\w+/(probe|robustness)", task)
                    continue
                spec, _ = spec_of(task)
                judged = spec.reader == "frow" and all(rule.startswith("gpt-4o-mini") for rule in table.ours.rules)
                assert set(table.ours.rules) <= set(spec.rules) or judged
                assert not table.by or table.by in spec.groups


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rule": ""}, "at least 1 character"),
        ({"prompt": None}, "Field required"),
        ({"rows": {}}, "at least 1 item"),
        ({"rows": {"A model": {"pope": 187}}}, "less than or equal to 100"),
        ({"n": {"ai2d": 3088}}, "no row has"),
        ({"mean": 3}, "Extra inputs"),
        ({"ours": None}, "`ours` is missing"),
        ({"by": "category"}, "both or none"),
        ({"n_from": ""}, "n_from is missing"),
    ],
)
def test_a_file_with_a_fault_is_refused(tmp_path, monkeypatch, change, words):
    ours = {"rules": ["pope"], "metric": "f1", "same": True, "said": "the same"}
    about = {"table": "Table 1", "title": "POPE", "rule": "F1", "split": "test", "prompt": "p", "decoding": "greedy"}
    table = about | {"ours": ours, "n": {"pope": 9000}, "n_from": "questions", "rows": {"A model": {"pope": 87.0}}}
    paper = {"source": "S", "paper": "P", "where": "W", "tables": [table]}
    assert Paper(**paper)
    paper["tables"] = [{key: value for key, value in (table | change).items() if value is not None}]
    (tmp_path / "one.yaml").write_text(json.dumps(paper))
    monkeypatch.setattr(paper_files, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=words):
        papers()


def test_a_published_number_stands_beside_the_same_questions_alone(found):
    by_table = {(one.table.table, one.table.title): one for one in shown(found)}
    levels = next(one for one in by_table.values() if one.table.table == "Figure 2")
    assert levels.columns == [SPECIES]  # the genus task has 60 questions
    assert levels.published == [("InternVL3", [61.18])]
    assert any(text.startswith(f"{GENUS}: not the same questions (5,794 questions") for text in levels.others)
    frow = next(one for one in by_table.values() if one.table.table == "Table 1")
    assert [cells[0]["value"] for _, cells in frow.measured] == [44.4] * 2  # the model's judgement, not the rule's
    assert {one.table.by for one in by_table.values() if one.table.task} == {"attribute", "attribute_group"}
    assert not any(one.table.table == "Table 3 (SA)" for one in by_table.values())
    worst = next(one for one in by_table.values() if "worst" in one.table.title)
    assert all(cells[0]["metric"] == "worst_category" for _, cells in worst.measured)


def test_the_page_marks_them_and_says_their_conditions(found):
    page = render(found)
    text = Page(page).text
    assert "published, FG-BMK Figure 2: InternVL3" in re.sub(r"\s+", " ", text)
    part = page[page.index("Beside the papers") : page.index("Twelve examples")]
    assert part.count("Rule: right where the answer holds the ground truth. Split: test images") >= 5
    assert re.search(r'<td class="published first">61\.18</td>', part)
    assert "about 30.00" in part
    assert "not the same questions" in part
    assert "better" not in part
    assert "worse" not in part.replace("worst", "")


def test_no_published_number_reaches_a_mean_a_change_or_a_scale(found, monkeypatch, tmp_path, capsys):
    """Without a single published number everything else is the same to the byte."""

    def outputs():
        numbers, page = to_json(found), render(found)
        published = numbers.pop("published")
        print_comparison(found)
        printed = capsys.readouterr().out
        start = page.find("<h3>Beside the papers")
        if start >= 0:
            page = page[:start] + page[page.index("<details><summary>Parts of tasks", start) :]
        lines = printed[: printed.index("FG-BMK, Figure 2")] if "FG-BMK, Figure 2" in printed else printed
        return json.dumps(numbers), re.sub(r"\s+", " ", page), lines.strip(), published

    full = outputs()
    monkeypatch.setattr(paper_files, "FOLDER", tmp_path)
    empty = outputs()
    assert full[3]
    assert empty[3] == []
    assert full[:3] == empty[:3]


def test_the_command_lists_them(capsys):
    assert main(["published", "fgbmk/cub/species", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {column for one in rows for row in one["rows"].values() for column in row} == {
        "fgbmk/cub/species/true_false",
        SPECIES,
        "fgbmk/cub/species/short_answer",
    }
    assert all(one["rule"] and one["prompt"] and one["table"] and one["where"] for one in rows)
    assert main(["published"]) == 0
    printed = capsys.readouterr().out
    assert "Table 15" in printed
    assert "Knowledge study: A better vision encoder" in re.sub(r"\s+", " ", printed)
    assert main(["published", "nonsense"]) == 2
    assert "there are some for fgbmk/cub/class/true_false" in capsys.readouterr().err


def test_nothing_that_scores_or_compares_can_see_them():
    """Only what shows is told of them: answers of studies, ledgers and scores are worked out without."""
    root = paper_files.FOLDER.parent
    for part in ("scoring", "ledger", "study", "judging", "features", "compare/results.py"):
        for path in [root / part] if part.endswith(".py") else (root / part).rglob("*.py"):
            assert "published import" not in path.read_text(), path
            assert "published.beside" not in path.read_text(), path


def test_a_studys_arms_stand_beside_them_as_means_over_seeds(tmp_path):
    arms = make_arms(tmp_path, {"none": (-2.0, 1.8), "late": (1.2, -0.1)}, seeds=(17, 18, 19), images=12)
    for folder in (one for seeds in arms.values() for one in seeds.values()):
        scores = read_json(folder / "scores.json")
        scores["checkpoints"][-1]["tasks"][SPECIES]["n"] = 5794
        write_json(folder / "scores.json", scores)
    runs = StudyRuns("placement", "Where?", arms, measures=(SPECIES,))
    answer = study_answer(runs)
    page = study_page(runs, answer, tmp_path / "report.html")
    html, shown = page.html(), page.shown
    one = next(one for one in shown["study"]["published"] if one.columns)
    assert (one.table.table, one.columns) == ("Figure 2", [SPECIES])
    assert [who.label for who, _ in one.measured] == ["none, 3 seeds", "late, 3 seeds"]
    for arm, (_, (cell,)) in zip(answer.arms, one.measured, strict=True):
        mean = arm.means[SPECIES]
        assert cell["value"] == pytest.approx(mean.value)
        assert cell["low"] < mean.value < cell["high"]
    text = re.sub(r"\s+", " ", Page(html).text)
    assert "published, FG-BMK Figure 2: InternVL3" in text
    assert "61.18" not in text[: text.index("Published numbers")]  # in no mean, rank or sentence


def test_a_mean_over_seeds_covers_images_and_seeds():
    scores = [{"value": value, "low": value - 4, "high": value + 3, "unit": "percent"} for value in (50.0, 50.0)]
    assert mean_score(scores[:1]) == scores[0]
    assert mean_score(scores)["low"] == pytest.approx(46.0)
    apart = [{"value": value, "low": value - 4, "high": value + 3, "unit": "percent"} for value in (48.0, 50.0, 52.0)]
    seed = 4.302653 * 2 / 3**0.5  # Student's t of two degrees of freedom, the seeds' deviation, their number
    assert mean_score(apart)["low"] == pytest.approx(50 - (4**2 + seed**2) ** 0.5)
    assert mean_score(apart)["high"] == pytest.approx(50 + (3**2 + seed**2) ** 0.5)
    assert mean_score([scores[0], {**scores[0], "value": None}])["value"] is None
