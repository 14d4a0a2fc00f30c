"""Counting mentions over the rows of training sets, as downloaded or as built here."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .. import records
from ..llava.reading import read_file
from ..shared.errors import UserError
from ..shared.progress import progress
from .name_search import Names


@dataclass
class Counted:
    """One training set. `rows_with` and `mentions`: category -> count; a row with two mentions is one row."""

    file: str
    rows: int = 0
    naming_any: int = 0  # rows with a name of any category
    rows_with: Counter = field(default_factory=Counter)
    mentions: Counter = field(default_factory=Counter)


def rows_file(path: Path) -> Path:
    """The file of rows: `path` itself, rows.jsonl in it (a set built here), or the one JSON file that lies in it."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"no file or folder {path}; --data names training sets: llava_665k=DIR or =FILE.json")
    if (path / "rows.jsonl").is_file():
        return path / "rows.jsonl"
    found = sorted(one for kind in ("*.json", "*.jsonl") for one in path.glob(kind) if one.name != "manifest.json")
    if len(found) != 1:
        names = ", ".join(one.name for one in found) or "none"
        raise UserError(f"{path} has no rows.jsonl, and of JSON files {names}; name the file: --data NAME={path}/FILE")
    return found[0]


def count(names: Names, file: Path) -> Counted:
    """Mentions in all that is said in a file's conversations, questions and answers alike. UserError for a row that is
    no conversation, with its number."""
    found = Counted(str(file))
    with progress(f"names in {file.name}", "rows") as advance:
        for number, row in enumerate(read_file(file), 1):
            places = names.find(texts_of(row, file, number))
            if places:
                found.naming_any += 1
                found.mentions.update(places)
                found.rows_with.update(set(places))
            found.rows = number
            if number % 10_000 == 0:
                advance(10_000)
        advance(found.rows % 10_000)
    for counts in (found.rows_with, found.mentions):
        by_name = {names.categories[place]: n for place, n in counts.items()}
        counts.clear()
        counts.update(by_name)
    return found


def texts_of(row: Mapping, file: Path, number: int) -> Iterable[str]:
    try:
        texts = records.texts_of(row)
        "".join(texts)
    except (KeyError, TypeError):
        raise UserError(
            f"{file}, row {number}: no conversations of texts ([{{from, value}}, ...]); it has {', '.join(row)}"
        ) from None
    return texts


def table(categories: Iterable[str], counted: Mapping[str, Counted]) -> Iterator[list[str | int]]:
    """Lines of the CSV file: a category, and of each training set its rows and mentions."""
    yield ["category", *(f"{name}_{what}" for name in counted for what in ("rows", "mentions"))]
    for category in categories:
        yield [category, *(n for one in counted.values() for n in (one.rows_with[category], one.mentions[category]))]
