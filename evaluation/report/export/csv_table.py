"""A report's table as rows of a CSV file: one row of heads, sections as a column, numbers without decoration."""

import csv
import io

from .html_tables import Cell, HtmlTable
from .numbers import EMPTY, split_column, split_names

SECTION = "section"
WITH_UNIT = ("low", "high", "change")  # beside the value itself


def csv_text(table: HtmlTable) -> str:
    """The table for programs: a column for each value, interval end, change, n and number of seeds; units stand in the
    heads, or, where rows differ, in a column."""
    names, rows, sections, units = heads(table), [], [], []
    section = ""
    for row, unit in zip(table.rows, table.units, strict=True):
        cells = spread(row)
        if is_section(row):
            section = cells[0]
            continue
        rows.append([*cells, *[""] * (len(names) - len(cells))])
        sections.append(section)
        units.append(unit)
    columns: dict[str, list[str]] = {SECTION: sections} if any(sections) else {}
    head_units = column_units(table)
    for place, name in enumerate(names):
        cells = [row[place] for row in rows]
        first = place == 0 and all(row[0].head for row in table.rows)
        split = {part or name: one for part, one in split_names(cells).items()} if first else split_column(name, cells)
        unit = head_units[place] or (table.unit if len(split) > 1 and not first else "")
        for key, values in split.items():
            own = f" [{unit}]" if unit and key in (name, *(f"{name} {part}" for part in WITH_UNIT)) else ""
            columns[_free(key + own, columns)] = values
        if place == 0 and any(units):
            columns["unit"] = units
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return file.getvalue()


def heads(table: HtmlTable) -> list[str]:
    """One name a column, upper heads first: `run / checkpoint`."""
    above = [spread(row) for row in table.heads]
    names = []
    for place in range(table.width):
        parts = [row[place] for row in above if place < len(row) and row[place]]
        names.append(" / ".join(dict.fromkeys(parts)))
    return names


def column_units(table: HtmlTable) -> list[str]:
    found = [""] * table.width
    for row in table.heads:
        for place, unit in enumerate(unit for cell in row for unit in [cell.unit] * cell.columns):
            found[place] = unit or found[place]
    return found


def spread(row: list[Cell]) -> list[str]:
    """One text a column: that of a cell over several stands in each."""
    return [cell.text for cell in row for _ in range(cell.columns)]


def is_section(row: list[Cell]) -> bool:
    """Whether a row only names those that follow."""
    return bool(row) and row[0].head and bool(row[0].text) and all(cell.text in EMPTY[2:] for cell in row[1:])


def _free(name: str, columns: dict) -> str:
    """No two columns have one name."""
    number, own = 2, name
    while own in columns:
        own, number = f"{name} ({number})", number + 1
    return own
