"""The table that Friedman's test reads: a model's score on every data set, from features.json files or a csv."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json

MODEL_WORDS = {"model", "method", "encoder", "arm", "checkpoint", "system", "run", "backbone", "algorithm"}
SET_WORDS = {"data set", "dataset", "data", "task", "benchmark", "set"}


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


def read_table(path: Path, models: str | None = None) -> tuple[list[str], list[str], list[list[float]]]:
    """(models, data sets, values [data set][model]) of a csv with names in its first line and column.

    `models`: do they stand in "rows" or "columns"; None: as its first cell says ("data set" or "model"). UserError: it
    does not say so, or with the line and column of what is doubled, missing or no number.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (FileNotFoundError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table ({error})") from None
    if not lines:
        raise UserError(f"{path} is empty")
    corner, *columns = (cell.strip() for cell in lines[0][1])
    rows, values = [], []
    for number, row in lines[1:]:
        if len(row) != len(lines[0][1]):
            raise UserError(f"{path}, line {number}: {len(row)} cells, the first line has {len(lines[0][1])}")
        rows.append(row[0].strip())
        values.append([figure(path, number, column, cell) for column, cell in zip(columns, row[1:], strict=True)])
    for where, names in (("first line", columns), ("first column", rows)):
        check_names(path, where, names)
    if (models or lies(path, corner)) == "rows":
        return rows, columns, [list(column) for column in zip(*values, strict=True)]
    return columns, rows, values


def lies(path: Path, corner: str) -> str:
    """Where the models stand, as the table's first cell says it. UserError: it does not."""
    word = " ".join(re.findall(r"[a-z]+", corner.lower()))
    if word in MODEL_WORDS or word.removesuffix("s") in MODEL_WORDS:
        return "rows"
    if word in SET_WORDS or word.removesuffix("s") in SET_WORDS:
        return "columns"
    raise UserError(
        f"{path}: are the models in its rows or in its columns? Say --models rows or --models columns, or write "
        f"'model' or 'data set' into its first cell, which is {corner[:40]!r}"
    )


def figure(path: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        what = f"{cell.strip()[:40]!r} is no number" if cell.strip() else "no number"
        raise UserError(f"{path}, line {line}, column {column!r}: {what}; every model needs every data set") from None
    return value


def check_names(path: Path, where: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for place, name in enumerate(names, 1):
        if not name:
            raise UserError(f"{path}, {where}: number {place} has no name")
        if name in seen:
            raise UserError(f"{path}, {where}: {name!r} stands there twice; a copy would count as another")
        seen.add(name)
