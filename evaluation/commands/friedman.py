"""`python -m evaluation friedman`: do models differ over data sets?"""

import argparse
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import atomic_write, write_json
from data_builders.shared.terminal import say

MEASURES = ("probe", "knn", "retrieval")


def add_options(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "tables", type=Path, nargs="+", metavar="OUT", help="folders with features.json, or one .csv table"
    )
    one.add_argument(
        "--models", choices=("rows", "columns"), help="where the table has them (default: as its first cell says)"
    )
    one.add_argument("--measure", default="probe", choices=MEASURES, help="which number (default: probe)")
    one.add_argument("--rule", help="which of its rules (default: the task's first)")
    one.add_argument("--alpha", type=float, default=0.05, help="level of the critical distance (default: 0.05)")
    one.add_argument("--out", type=Path, help="write NAME.svg (diagram) and NAME.json beside it")
    one.set_defaults(do=command_friedman)


def command_friedman(arguments: argparse.Namespace) -> None:
    from ..features.friedman import compare_models
    from ..features.friedman_tables import collect, read_table
    from ..report.friedman_diagram import diagram

    if not 0 < arguments.alpha < 1:
        raise UserError(f"--alpha is {arguments.alpha:g}; write a number between 0 and 1, usually 0.05")
    first = arguments.tables[0]
    if len(arguments.tables) == 1 and first.suffix == ".csv":
        models, data_sets, values = read_table(first, arguments.models)
    else:
        models, data_sets, values = collect(arguments.tables, arguments.measure, arguments.rule)
    found = compare_models(values, models, data_sets, arguments.alpha)
    for name, rank in sorted(zip(found.models, found.average_ranks, strict=True), key=lambda pair: pair[1]):
        say(f"{rank:6.2f}  {name}")
    p = "not defined" if found.p_value is None or found.p_value != found.p_value else f"{found.p_value:.3g}"
    say(f"Friedman p {p}, Nemenyi critical distance {found.critical_distance:.4f}, n = {len(data_sets)} data sets")
    if arguments.out:
        with atomic_write(arguments.out.with_suffix(".svg")) as file:
            file.write(diagram(found))
        write_json(arguments.out.with_suffix(".json"), found.to_json())
        say(f"diagram: {arguments.out.with_suffix('.svg')}")
