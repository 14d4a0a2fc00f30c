"""`python -m evaluation friedman`: do models differ over data sets?"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import atomic_write, read_json, write_json

MEASURES = ("probe", "knn", "retrieval")


def add_friedman(commands: argparse._SubParsersAction) -> None:
    one = commands.add_parser("friedman", help="do models differ over data sets: Friedman, Nemenyi, CD diagram")
    one.add_argument(
        "tables", type=Path, nargs="+", metavar="OUT", help="folders with features.json, or one .csv table"
    )
    one.add_argument("--measure", default="probe", choices=MEASURES, help="which number (default: probe)")
    one.add_argument("--rule", help="which of its rules (default: the task's first)")
    one.add_argument("--alpha", type=float, default=0.05, help="level of the critical distance (default: 0.05)")
    one.add_argument("--out", type=Path, help="write NAME.svg (diagram) and NAME.json beside it")
    one.set_defaults(do=command_friedman)


def command_friedman(arguments: argparse.Namespace) -> None:
    from .friedman import compare_models
    from .friedman_diagram import diagram

    if not 0 < arguments.alpha < 1:
        raise UserError(f"--alpha is {arguments.alpha:g}; write a number between 0 and 1, usually 0.05")
    first = arguments.tables[0]
    if len(arguments.tables) == 1 and first.suffix == ".csv":
        models, data_sets, values = read_table(first)
    else:
        models, data_sets, values = collect(arguments.tables, arguments.measure, arguments.rule)
    found = compare_models(values, models, data_sets, arguments.alpha)
    for name, rank in sorted(zip(found.models, found.average_ranks, strict=True), key=lambda pair: pair[1]):
        print(f"{rank:6.2f}  {name}")
    p = "not defined" if found.p_value is None or found.p_value != found.p_value else f"{found.p_value:.3g}"
    print(f"Friedman p {p}, Nemenyi critical distance {found.critical_distance:.4f}, n = {len(data_sets)} data sets")
    if arguments.out:
        with atomic_write(arguments.out.with_suffix(".svg")) as file:
            file.write(diagram(found))
        write_json(arguments.out.with_suffix(".json"), found.to_json())
        print(f"diagram: {arguments.out.with_suffix('.svg')}")


def collect(folders: Sequence[Path], measure: str, rule: str | None) -> tuple[list[str], list[str], list[list[float]]]:
    """(models, data sets, values [data set][model]) from features.json files. UserError names what is missing."""
    columns: dict[str, dict[str, float]] = {}
    for folder in folders:
        path = folder / "features.json" if folder.is_dir() else folder
        entry = read_json(path)
        if not isinstance(entry, dict) or not isinstance(entry.get("tasks"), dict):
            raise UserError(f"{path} holds no feature scores; it must be written by `python -m evaluation features`")
        if entry["model"] in columns:
            raise UserError(f"two folders call their model {entry['model']!r}; name them apart with --name")
        column = columns.setdefault(entry["model"], {})
        for name, task in entry["tasks"].items():
            if name.endswith(f"/{measure}"):
                wanted = rule or task["primary"]
                scores = [one["value"] for one in task["scores"] if one["rule"] == wanted]
                if not scores:
                    raise UserError(f"{path}: {name} has no rule {wanted!r}")
                column[name.split("/")[1]] = scores[0]
    data_sets = list(dict.fromkeys(name for column in columns.values() for name in column))
    for model, column in columns.items():
        if absent := [name for name in data_sets if name not in column]:
            raise UserError(f"{model} has no {measure} score on {', '.join(absent)}; every model needs every data set")
    return list(columns), data_sets, [[column[name] for column in columns.values()] for name in data_sets]


def read_table(path: Path) -> tuple[list[str], list[str], list[list[float]]]:
    """A csv: first line "data set,model,model,...", then a line a data set. UserError names the line."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (FileNotFoundError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table ({error})") from None
    if not lines:
        raise UserError(f"{path} is empty")
    models, values = [name.strip() for name in lines[0][1:]], []
    for number, row in enumerate(lines[1:], 2):
        if len(row) != len(lines[0]):
            raise UserError(f"{path}, line {number}: {len(row)} cells, the first line has {len(lines[0])}")
        try:
            values.append([float(cell) for cell in row[1:]])
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}") from None
    return models, [row[0].strip() for row in lines[1:]], values
