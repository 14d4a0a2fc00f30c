"""Your own photos in whatever folders, listed: photos.csv with a line each, `file,name[,split]`.

`file` is relative to the list's folder, `name` what the photo shows, `split` train, val or test (empty: train). Other
columns are the user's own and not read.
"""

from collections.abc import Iterator
from pathlib import Path

from ..shared.csv_tables import csv_rows
from ..shared.errors import UserError

LIST = "photos.csv"
# What people call the parts of a data set -> what they are here.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def listed(path: Path) -> Iterator[tuple[str, str, str]]:
    """(file, split, name as written) of each line. UserError for a line without file or name, a split that is none, and
    a file that is listed twice."""
    seen: dict[str, int] = {}
    for number, row in csv_rows(path, ("file", "name")):
        place = f"{path}, line {number}"
        file, name = row["file"].replace("\\", "/").removeprefix("./"), row["name"]
        if not file or not name:
            raise UserError(f"{place}: {'file' if not file else 'name'} is empty. Fill it, or remove the line")
        split = SPLIT_NAMES.get((row.get("split") or "train").lower())
        if split is None:
            raise UserError(f"{place}: split is {row['split']!r}. Write train, val or test")
        if file in seen:
            raise UserError(f"{place}: {file} is listed a second time, first in line {seen[file]}. Remove one")
        seen[file] = number
        yield file, split, name
