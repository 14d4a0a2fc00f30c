"""The table that Friedman's test reads: a model's score on every data set, from features.json files or a csv."""

import csv
from collections.abc import Sequence
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json


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
