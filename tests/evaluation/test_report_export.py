"""A report as files for a paper: every table and figure of its pages, the same bytes each time, whole or absent."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys

import pytest
from study_run_fakes import make_arms

from data_builders.shared.files import read_json
from evaluation.__main__ import main
from evaluation.report import write_study_report
from evaluation.report.export import write
from evaluation.report.export.csv_table import csv_text
from evaluation.report.export.html_tables import Cell, HtmlTable, tables_of
from evaluation.report.export.latex_table import latex_text, parts
from evaluation.report.export.latex_text import escape
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
    assert escape("a\\b_^~−1 ▲") == (
        r"a\textbackslash{}b\_\allowbreak{}\textasciicircum{}\textasciitilde{}$-$1 $\blacktriangle$"
    )


NASTY = [
    "under_score & 100 % of $x$ #1 {late} ~tilde ^caret back\\slash", "--flag ,, `quoted' \"twice\" <a> | b",
    "Müller's Ångström, façade, Łódź, Dvořák", "μ = 3 µm, Ω, Ααβ, ς", "ế 中文 \u202e 🐦 ﬁ", "[CLS]", "*star",
    "mini_strategies-with_a_name/that_goes_on/and_on_for_longer_than_any_line_of_a_paper_would_ever_have_room_for",
]  # fmt: skip


def nasty_tables():
    """A table of such names, one that is too wide for a page and one that is too long for it."""
    names = [Cell(name, head=True) for name in NASTY]
    wide = [
        [Cell("", True), Cell("runs", True, 30)],
        [Cell("task", True), *(Cell(f"run_{one}", True) for one in range(30))],
    ]
    few = HtmlTable(("Names: 50 % & more_of_them",), [[Cell("arm", True), Cell("score", True)]],
                    [[name, Cell("61.2 (55.0 to 67.1) · n 1,320")] for name in names], ["One_line"])  # fmt: skip
    broad = HtmlTable(("Wide",), wide, [[name, *(Cell("61.2 55.0–67.1 · n 320") for _ in range(30))] for name in names])
    long = HtmlTable(("Long",), few.heads, [[Cell(f"category_{one}", True), Cell("1.0")] for one in range(100)])
    return few, broad, long


def test_a_name_whatever_it_is_is_escaped_and_no_cell_of_a_large_table_is_lost():
    """Without TeX: only what a T1 letter is, no sign that TeX acts on."""
    for name in NASTY:
        text = escape(name)
        bare = re.sub(r"\\[\\{}$&%#_]|\\[a-zA-Z]+(\{\})?|\$\\?[a-zA-Z-]+\$", "", text)
        assert not re.search(r"[\\$&%#_^~<>|]", bare), text
        assert all(one <= "\u017e" for one in bare)
        assert "--" not in bare
    assert escape("μm Ω ế") == r"$\mu$m $\Omega$ e"
    for table in nasty_tables():
        made = list(parts(table))
        cells = [cell.text for part in made for row in part.rows for cell in row]
        assert all(cells.count(cell.text) >= 1 for row in table.rows for cell in row)
        assert sum(len(row) - 1 for part in made for row in part.rows) == sum(len(row) - 1 for row in table.rows)
        for part in made:
            assert all(sum(cell.columns for cell in row) == part.width for row in (*part.heads, *part.rows))
            assert len(part.rows) <= 44
    text = latex_text(nasty_tables()[0], "x")
    assert "\n{}[CLS]" in text
    assert "\n{}*star" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_exported_tables_compile_and_none_is_wider_than_the_text(study, tmp_path):
    root, runs, answer = study
    page = study_page(runs, answer, root / "study" / "report.html")
    lines = [r"\documentclass{article}", r"\usepackage[T1]{fontenc}", r"\usepackage{array,booktabs,graphicx,amssymb}"]
    lines += [r"\begin{document}"]
    for number, table in enumerate([*tables_of(page.html()), *nasty_tables()]):
        (tmp_path / f"{number}.tex").write_text(latex_text(table, f"t{number}"), encoding="utf-8")
        lines.append(rf"\input{{{number}}}\clearpage")
    (tmp_path / "all.tex").write_text("\n".join([*lines, r"\end{document}"]))
    call = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in done.stdout
    too_wide = [float(one) for one in re.findall(r"Overfull \\hbox \(([\d.]+)pt", done.stdout)]
    assert all(one < 3 for one in too_wide), too_wide
    assert "Float too large" not in done.stdout


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
