"""Filled sheets read back: each person's grades by row, or every wrong cell by its row and column."""

from pathlib import Path

from data_builders.shared.csv_tables import csv_rows
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json

from ..scoring.answer_formats import shortened
from ..scoring.spreadsheets import sheet_rows
from .sheet import KINDS, YES_NO, Kind

SHOWN = 20
MEANT = {"y": "yes", "n": "no", "1": "yes", "0": "no", "true": "yes", "false": "no"}
Grades = dict[str, tuple[int, ...]]  # row -> a value for each column of the kind


def read_key(study: Path) -> dict:
    """UserError when nothing was drawn there."""
    path = Path(study) / "key.json"
    if not path.exists():
        raise UserError(f"no {path}: draw a sample first, with --sample 300 --answers RUN")
    key = read_json(path)
    if not isinstance(key, dict) or key.get("kind") not in KINDS or not isinstance(key.get("rows"), list):
        raise UserError(f"{path} is no key of a drawn sample; draw it again into another folder")
    return key


def read_sheets(paths: list[Path], key: dict) -> dict[str, Grades]:
    """Person (the file's name) -> grades. Rows left empty are not graded. UserError with all wrong cells."""
    if len({path.stem for path in paths}) < len(paths):
        raise UserError("two sheets have the same name; a sheet is called as the person who filled it")
    return {path.stem: read_sheet(path, key) for path in paths}


def read_sheet(path: Path, key: dict) -> Grades:
    if not Path(path).is_file():
        raise UserError(f"no sheet {path}")
    kind = KINDS[key["kind"]]
    if path.suffix.lower() == ".xlsx":
        rows = list(sheet_rows(path))
    else:
        rows = [row for _, row in csv_rows(path, ["row", *kind.cells])]
    if rows and (absent := [name for name in ("row", *kind.cells) if name not in rows[0]]):
        raise UserError(f"{path}: no column {', '.join(absent)}; the first line has {', '.join(rows[0])}")
    wanted = [one["row"] for one in key["rows"]]
    found: Grades = {}
    faults, seen = [], set()
    for row in rows:
        name = row["row"].strip()
        if name not in wanted:
            faults.append(f"row {shortened(name)}: no row of the draw {key['draw']}")
        elif name in seen:
            faults.append(f"row {name}: there for the second time")
        seen.add(name)
        values = [row[column].strip() for column in kind.cells]
        if any(values):
            grades = [grade(kind, column, value) for column, value in zip(kind.cells, values, strict=True)]
            for column, value, one in zip(kind.cells, values, grades, strict=True):
                if one is None:
                    faults.append(f"row {name}, column {column}: {said(value)}; write {allowed(kind, column)}")
            found[name] = tuple(one for one in grades if one is not None)
    faults += [f"row {name}: missing" for name in wanted if name not in seen]
    if faults:
        more = f"\n  and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        listed = "".join(f"\n  {fault}" for fault in faults[:SHOWN])
        raise UserError(f"{path}: {len(faults)} cells or rows cannot be read:{listed}{more}")
    if not found:
        raise UserError(f"{path}: no row is graded; fill the columns {', '.join(kind.cells)}")
    return found


def grade(kind: Kind, column: str, value: str) -> int | None:
    """The place of the value on the column's scale; None for none."""
    values, meant = kind.cells[column], value.lower()
    if values == YES_NO:
        meant = MEANT.get(meant, meant)
    elif meant.endswith(".0"):  # as some spreadsheets write whole numbers
        meant = meant[:-2]
    return values.index(meant) if meant in values else None


def said(value: str) -> str:
    return f"{shortened(value)} is no grade" if value else "empty, while another cell of the row is filled"


def allowed(kind: Kind, column: str) -> str:
    *first, last = kind.cells[column]
    return f"{', '.join(first)} or {last}"
