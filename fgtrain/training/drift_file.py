"""How far a stage has moved the model, as its store says it: a row a measurement (see drift_meter). Needs no torch."""

import json
from pathlib import Path
from typing import Any

DRIFT = "drift.jsonl"  # of a stage, in its store


def drift_rows(store: Path) -> list[dict[str, Any]]:
    """One row a step, in their order; samples counted from the stage's beginning. A step that a resumed stage has come
    by twice stands there once; half a line of one that was killed is left out."""
    path = store / DRIFT
    found: dict[int, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1] if path.is_file() else ():
        try:
            row = json.loads(line)
            found[row["step"]] = row
        except (ValueError, KeyError, TypeError):
            continue
    return [found[step] for step in sorted(found)]
