"""Names beyond those that a data set's images bear, from a csv with a column per level."""

from pathlib import Path

from ..shared.csv_tables import csv_rows
from ..shared.errors import UserError
from ..sources import Source


def read_labels(path: Path, source: Source) -> tuple[dict[str, str], ...]:
    """Rows level -> label. UserError for columns that are no level, or a label empty."""
    if not path.is_file():
        raise UserError(
            f"labels is {path}, and there is no such file; leave it out, or write a csv with a column per level"
        )
    levels = [level.name for level in source.levels]
    found = []
    for number, row in csv_rows(path, [source.finest.name]):
        if unknown := [name for name in row if name not in levels]:
            raise UserError(f"{path}: column {', '.join(unknown)} is no level; {source.name} has {', '.join(levels)}")
        if empty := [name for name, label in row.items() if not label]:
            raise UserError(f"{path}, line {number}: no {', '.join(empty)}; write all names or remove the line")
        found.append(row)
    if not found:
        raise UserError(f"{path} has no names below its first line")
    return tuple(found)
