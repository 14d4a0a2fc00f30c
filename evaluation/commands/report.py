"""`python -m evaluation report`: the page of finished runs, a study or many models' features, written again; and its
tables and figures as files for a paper."""

import argparse
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.terminal import say

from ..compare.results import compare_runs
from ..ledger import load_run

ANSWER, MODELS = "answer.json", "models.json"


def add_options(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="run folders, or the folder of one study or of features --models",
    )
    one.add_argument("--out", type=Path, help="the page (HTML); default without --export: in FOLDER")
    one.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="new folder for all tables as CSV and LaTeX, all figures as PDF and SVG",
    )
    one.set_defaults(do=command_report)


def command_report(arguments: argparse.Namespace) -> None:
    folders, out = arguments.folders, arguments.out
    studies = [folder for folder in folders if (folder / ANSWER).is_file()]
    features = [folder for folder in folders if (folder / MODELS).is_file()]
    if (own := [*studies, *features]) and len(folders) > 1:
        what = "a study" if studies else "many models' features"
        raise UserError(f"{own[0]} is the folder of {what}, which has a report of its own; give it alone")
    if out is None and arguments.export is None:
        if len(folders) > 1:
            raise UserError("several runs have no page of their own; say where to: --out PAGE.html or --export DIR")
        out = folders[0] / ("features.html" if features else "report.html")
    (report_study if studies else report_features if features else report_runs)(folders, out, arguments.export)
    if out:
        say(f"report: {out}")
    if arguments.export:
        say(f"exported: {arguments.export}, listed in {arguments.export / 'contents.md'}")


def report_runs(folders: list[Path], out: Path | None, export: Path | None) -> None:
    from ..report import write_report

    found = compare_runs([load_run(folder) for folder in folders])
    if out:
        write_report(folders, out, found)
    if export:
        from ..report.export import export_runs

        export_runs(found, export)


def report_study(folders: list[Path], out: Path | None, export: Path | None) -> None:
    """From the kept answer; nothing is computed again but the runs' own pages."""
    from ..report import write_study_report
    from ..study import read_study

    runs, answer = read_study(folders[0])
    if out:
        write_study_report(runs, answer, out)
    if export:
        from ..report.export import export_study

        export_study(runs, answer, export)


def report_features(folders: list[Path], out: Path | None, export: Path | None) -> None:
    """From each model's features.json; nothing is measured again."""
    from ..report.features_page import features_page, write_features_report

    if out:
        write_features_report(folders[0], out)
    if export:
        from ..report.export import export_page

        export_page(features_page(folders[0]), export)
