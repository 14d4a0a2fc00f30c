"""A report as files for a paper: every table and figure of its pages, the same bytes each time, whole or absent."""

import csv
import io
import json
import re
import subprocess
import sys

import pytest
from study_run_fakes import make_arms

from data_builders.shared.files import read_json
from evaluation.__main__ import main
from evaluation.report import write_study_report
from evaluation.report.export import write
from evaluation.report.export.csv_table import csv_text
from evaluation.report.export.html_tables import tables_of
from evaluation.report.export.latex_table import escape, latex_text
from evaluation.report.export.numbers import numbers_of
from evaluation.report.export.pictures import figures_in, pictures_of
from evaluation.report.export.style import Series
from evaluation.report.study_page import study_page
from evaluation.study import StudyRuns, study_answer, write_answer

ODD = "50 % of $x_1$ & <b>{late}</b>"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("export")
    arms = make_arms(root, {"none": (-2.0, 1.8), "late": (1.2, -0.1)}, seeds=(17, 18, 19, 20), images=16)
    arms[ODD] = arms.pop("late")
    runs = StudyRuns("placement", "Where?", arms, contrasts=((ODD, "none"),))
    answer = study_answer(runs)
    write_answer(answer, root / "study")
    write_study_report(runs, answer, root / "study" / "report.html")
    return root, runs, answer


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("61.2 ▲ +3.1 55.0–67.1 · n 1,320", {"": "61.2", "change": "3.1", "low": "55.0", "high": "67.1", "n": "1320"}),
        ("62.7 (60.0 to 65.5) · 3 seeds", {"": "62.7", "low": "60.0", "high": "65.5", "seeds": "3"}),
        ("−0.8 −4.9 to 6.6 · at chance", {"": "-0.8", "low": "-4.9", "high": "6.6", "said": "at chance"}),
        ("-4.9 to −1.6 seeds and images", {"low": "-4.9", "high": "-1.6", "said": "seeds and images"}),
        ("▲ +2.0 −1.0 to +5.0 −2 +4 of n 100 · p 1.00 format ±0.0",
         {"": "2.0", "low": "-1.0", "high": "5.0", "n": "100", "said": "-2 +4 of; p 1.00 format ±0.0"}),
        ("0.4^2 ±0.0 0–1", {"": "0.4", "change": "0.0", "low": "0", "high": "1"}),
        ("12 of 320", None),
        ("42", None),
        ("cub 55.0–67.1", None),
    ],
)  # fmt: skip
def test_a_cell_is_taken_apart_into_its_numbers(cell, parts):
    assert numbers_of(cell) == parts


def test_every_table_of_the_page_is_exported_with_all_its_numbers(study):
    root, runs, answer = study
    page = study_page(runs, answer, root / "study" / "report.html")
    html, exact = page.html(), tables_of(page.html(exact=True))
    tables = tables_of(html)
    assert len(tables) == len(exact) == html.count("<table")
    arms = list(csv.DictReader(io.StringIO(csv_text(exact[0]))))
    assert [one["arm"] for one in arms] == [one.arm for one in answer.ranked()]
    for row, one in zip(arms, answer.ranked(), strict=True):
        for name, measure, unit in (
            ("fine-grained", "fine_grained", "% right"),
            ("forgetting", "forgetting", "points"),
        ):
            mean = one.means[measure]
            assert [float(row[f"{name}{part} [{unit}]"]) for part in ("", " low", " high")] == [
                mean.value, mean.low, mean.high
            ]  # fmt: skip
        assert row["seeds"] == "4"
    contrasts = next(csv_text(one) for one in exact if one.title == "Contrasts")
    for row, one in zip(csv.DictReader(io.StringIO(contrasts)), answer.contrasts, strict=True):
        assert (float(row["difference"]), float(row["p"]), row["unit"]) == (one.value, one.p, "points")
    page = re.sub(r"<[^>]+>", " ", html)
    for table in tables:
        said = csv_text(table)
        rows = list(csv.reader(io.StringIO(said)))
        assert len({len(row) for row in rows}) == 1
        assert len(set(rows[0])) == len(rows[0])
        for number in re.findall(r"\d+\.\d", " ".join(cell.text for row in table.rows for cell in row)):
            assert number in said
            assert number in page


def test_latex_prints_what_was_written_whatever_it_is(study):
    root, runs, answer = study
    html = study_page(runs, answer, root / "study" / "report.html").html()
    texts = [(table, latex_text(table, "x")) for table in tables_of(html)]
    for table, text in texts:
        bare = re.sub(r"\\[\\{}$&%#_]", "", text)
        assert bare.count("{") == bare.count("}")
        assert bare.count("$") % 2 == 0
        for line in text.splitlines():
            if line.endswith(r"\\") and "multicolumn" not in line:
                assert len(re.findall(r"(?<!\\)&", line)) == table.width - 1
    assert any(escape(ODD) in text for _, text in texts)
    assert re.search(r"\d+\.\d \(\d+\.\d (to|--) \d+\.\d\)", texts[0][1])
    assert escape("a\\b_^~−1 ▲") == (r"a\textbackslash{}b\_\textasciicircum{}\textasciitilde{}$-$1 $\blacktriangle$")


def test_every_figure_is_drawn_with_the_same_bytes_and_the_names_in_it(study, tmp_path):
    root, runs, answer = study
    shown = study_page(runs, answer, root / "study" / "report.html").shown
    pictures = pictures_of(shown)
    assert {one.title for one in figures_in(shown)} <= {one.title for one in pictures}
    assert [one.title for one in pictures] == [
        "Fine-grained score against forgetting", "Fine-grained tasks", "General tasks",
        "Contrasts: fine-grained", "Contrasts: forgetting",
    ]  # fmt: skip
    for again in ("a", "b"):
        for number, one in enumerate(pictures[:2]):
            write.save(one.draw, tmp_path / f"{again}{number}")
    for number in range(2):
        for kind in ("pdf", "svg"):
            assert (tmp_path / f"a{number}.{kind}").read_bytes() == (tmp_path / f"b{number}.{kind}").read_bytes()
    assert "none" in (tmp_path / "a0.svg").read_text()
    assert b"Date" not in (tmp_path / "a0.pdf").read_bytes()


def test_no_two_of_thirty_six_arms_look_alike_and_at_most_six_have_a_colour():
    series = Series({number: f"arm {number}" for number in range(36)}, (30, 2))
    looks = [series.look(index) for index in range(36)]
    assert len(set(looks)) == 36
    assert [number for number, look in enumerate(looks) if look.strong] == [2, 30]
    assert sum(look.strong for look in map(Series(series.names).look, range(36))) == 6


def test_the_command_exports_both_pages_or_nothing(study, tmp_path, monkeypatch, capsys):
    root, *_ = study
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    assert main(["report", str(root / "study"), "--export", str(tmp_path / "full")]) == 2
    assert "full holds something already" in capsys.readouterr().err

    drawn = []
    monkeypatch.setattr(write, "save", lambda draw, path: drawn.append(path.name))
    assert main(["report", str(root / "study"), "--export", str(tmp_path / "out")]) == 0
    listed = (tmp_path / "out" / "contents.md").read_text() + (tmp_path / "out" / "runs" / "contents.md").read_text()
    names = {path.stem for path in (tmp_path / "out").rglob("*.csv")} | set(drawn)
    assert names == {line.split(":")[0].split("/")[1] for line in listed.splitlines() if line.startswith("- ")}
    assert {path.stem for path in (tmp_path / "out").rglob("*.tex")} == names - set(drawn)

    def full(draw, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "save", full)
    assert main(["report", str(root / "study"), "--export", str(tmp_path / "lost")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "out"]


def test_the_page_is_written_again_and_runs_that_moved_are_found(study, tmp_path, monkeypatch, capsys):
    root, *_ = study
    page = root / "study" / "report.html"
    before = page.read_text()
    page.write_text("lost")
    answer = read_json(root / "study" / "answer.json")
    for one in answer["arms"]:
        one["runs"] = {seed: f"elsewhere/{run.rsplit('/', 1)[1]}" for seed, run in one["runs"].items()}
    (root / "study" / "answer.json").write_text(json.dumps(answer))
    assert main(["report", str(root / "study")]) == 0
    assert page.read_text() == before
    assert main(["report", str(root / "none_17"), str(root / "study")]) == 2
    assert "is the folder of a study" in capsys.readouterr().err
    assert main(["report", str(root / "none_17"), str(root / "none_18")]) == 2
    assert "say where to" in capsys.readouterr().err


def test_only_an_export_imports_matplotlib():
    code = "import evaluation.commands.report, evaluation.report, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
