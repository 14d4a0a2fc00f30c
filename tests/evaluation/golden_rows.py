"""Rows with the scores that reference code gives them: kept ones, and those beside the repository."""

import json
from pathlib import Path

KEPT = Path(__file__).resolve().parents[1] / "golden"


def rows_of(path: Path) -> list[dict]:
    # on newlines only: the texts hold other line separators
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def kept(name: str) -> list[dict]:
    return rows_of(KEPT / name)


def beside(shared: Path, name: str) -> list[dict]:
    return rows_of(shared / "golden" / name)


def totals(shared: Path, name: str) -> dict:
    return json.loads((shared / "golden" / name).read_text(encoding="utf-8"))
