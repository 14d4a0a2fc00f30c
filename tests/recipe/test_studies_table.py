"""The table of studies: every study file stands in it with its own question, and every file it names is there."""

import re
from pathlib import Path

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
TABLE = RECIPES / "studies/README.md"
HEAD = ["source", "what it asks", "file", "miniature", "published answer", "what our miniature shows"]
FOLDERS = {"file": RECIPES / "studies", "miniature": RECIPES / "mini/studies"}


def rows() -> list[dict[str, str]]:
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == HEAD
    assert all(len(row) == len(HEAD) and all(row) for row in cells), "a cell without an answer holds -, no cell a |"
    return [dict(zip(HEAD, row, strict=True)) for row in cells[2:]]


def linked(row: dict[str, str], column: str) -> list[Path]:
    found = [(TABLE.parent / link).resolve() for link in re.findall(r"\]\((.+?)\)", row[column])]
    assert found or row[column] == "-", f"{row['what it asks']}: {column} links no file and is not -"
    return found


def test_the_table_of_studies_is_whole():
    """Every study file of both folders once, under the question that its first comment line asks; no file else."""
    for column, folder in FOLDERS.items():
        named = [file for row in rows() for file in linked(row, column)]
        assert sorted(named) == sorted(folder.glob("*.yaml")), column
    for row in rows():
        files = [*linked(row, "file"), *linked(row, "miniature")]
        assert files, row
        for file in files:
            first = file.read_text(encoding="utf-8").splitlines()[0]
            assert re.fullmatch(r"# .+\?", first), f"{file} does not begin with its question"
        # A miniature may name what stands for the pictures of the whole; the table has the question of the whole.
        asked = files[0].read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        assert row["what it asks"] == asked, files[0]
