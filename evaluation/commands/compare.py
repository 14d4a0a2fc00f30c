"""`python -m evaluation compare`: runs beside each other, printed, as a page and as JSON."""

import argparse
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import write_json, write_jsonl
from data_builders.shared.terminal import say

from ..compare.files import ledger_rows, to_json
from ..compare.results import compare_runs
from ..compare.tables import print_comparison
from ..ledger import load_run


def add_options(one: argparse.ArgumentParser) -> None:
    one.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folder with scores.json")
    one.add_argument("--out", type=Path, required=True, help="report file (HTML); its numbers go beside it as .json")
    one.add_argument("--ledger", type=Path, help="also write every item at every checkpoint, one JSON row an item")
    one.set_defaults(do=command_compare)


def command_compare(arguments: argparse.Namespace) -> None:
    from ..report import write_report

    numbers = arguments.out.with_suffix(".json")
    if numbers == arguments.out:
        raise UserError(f"--out {arguments.out} is for the page; name it {arguments.out.with_suffix('.html')}")
    if arguments.ledger and arguments.ledger in (arguments.out, numbers):
        raise UserError(f"--ledger {arguments.ledger} is where other results go; name another file")
    found = compare_runs([load_run(folder) for folder in arguments.runs])
    print_comparison(found)
    write_report(arguments.runs, arguments.out, found)
    write_json(numbers, to_json(found))
    say(f"report: {arguments.out}, its numbers: {numbers}")
    if arguments.ledger:
        rows = write_jsonl(arguments.ledger, ledger_rows(found.store, [one.run for one in found.runs]))
        say(f"ledger: {arguments.ledger}, {rows:,} rows")
