"""A report as files for a paper: tables/*.csv and *.tex, figures/*.pdf and *.svg, and contents.md that says what is
what."""

import re
from collections.abc import Sequence
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import whole_folder
from data_builders.shared.progress import progress

from ...compare import Comparison
from ...study import StudyAnswer, StudyRuns
from ..page import Page, runs_page
from ..study_page import one_seed, study_page
from .csv_table import csv_text
from .html_tables import tables_of
from .latex_table import latex_text
from .pictures import pictures_of
from .style import save

LONGEST = 60  # letters of a file's name


def export_runs(found: Comparison, folder: Path) -> Path:
    """Write all tables and figures of the report of these runs into the new `folder`, whole or not at all.

    UserError: the folder holds something.
    """
    return export_page(runs_page(found), folder)


def export_page(page: Page, folder: Path) -> Path:
    """The same of any page."""
    with whole_folder(_new(folder)) as place:
        write_page(page, place)
    return folder


def export_study(runs: StudyRuns, answer: StudyAnswer, folder: Path) -> Path:
    """The same of a study; what stands on the page beside it (a run of each arm) goes into `folder`/runs."""
    from ...compare import compare_runs
    from ...ledger import load_run

    with whole_folder(_new(folder)) as place:
        page = study_page(runs, answer, folder / "report.html")
        write_page(page, place)
        if page.shown["beside"]:
            found = compare_runs([load_run(one) for one in one_seed(runs)[1]])
            write_page(runs_page(found), place / "runs")
    return folder


def write_page(page: Page, folder: Path) -> None:
    """One page's tables and figures: CSV with every digit, LaTeX as the page has it. The same page gives the same
    bytes."""
    lines = ["# Tables (.csv, .tex)", ""]
    tables, exact, pictures = tables_of(page.html()), tables_of(page.html(exact=True)), pictures_of(page.shown)
    for kind in ("tables", "figures"):
        (folder / kind).mkdir(parents=True)
    for name, table, digits in zip(file_names([one.title for one in tables]), tables, exact, strict=True):
        (folder / "tables" / f"{name}.csv").write_text(csv_text(digits), encoding="utf-8", newline="\n")
        (folder / "tables" / f"{name}.tex").write_text(latex_text(table, name), encoding="utf-8", newline="\n")
        lines.append(f"- tables/{name}: {table.title}")
    lines += ["", "# Figures (.pdf, .svg)", ""]
    with progress("exporting", "figures", len(pictures), brief=True) as advance:
        for name, picture in zip(file_names([one.title for one in pictures]), pictures, strict=True):
            save(picture.draw, folder / "figures" / name)
            lines.append(f"- figures/{name}: {picture.title}")
            advance(1)
    (folder / "contents.md").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def file_names(titles: Sequence[str]) -> list[str]:
    """In the page's order: 01_scores, 02_changes_tested_sft, ..."""
    digits = max(2, len(str(len(titles))))
    return [
        f"{number:0{digits}}_{re.sub('[^a-z0-9]+', '_', title.lower()).strip('_')[:LONGEST].strip('_')}".rstrip("_")
        for number, title in enumerate(titles, 1)
    ]


def _new(folder: Path) -> Path:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} holds something already; name a new folder, or remove it, for --export")
    return folder
