"""A stage's metrics.jsonl, one row an optimizer step, as it can be read: whoever was killed leaves half a line, a disk
may leave worse."""

import json
from pathlib import Path
from typing import Any


def readable_steps(path: Path) -> list[dict[str, Any]]:
    """The rows of training steps that can be read, in the order of the file; none where there is no file."""
    if not path.is_file():
        return []
    return [row for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1] if (row := _row(line))]


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    known = isinstance(row, dict) and row.get("kind") == "train"
    return row if known and all(type(row.get(key)) is int for key in ("step", "samples_seen")) else None


def missing_steps(path: Path, steps: int | None) -> str:
    """What is missing of a finished stage's figures, and what to do; "" where nothing is."""
    lost = (steps or 0) - len({row["step"] for row in readable_steps(path)})
    if lost <= 0:
        return ""
    return (
        f"{path}: figures of {lost:,} of {steps:,} steps are missing or cannot be read; the curves have gaps there. "
        f"The checkpoint is whole. To have them, remove {path.parent}: the stage is trained anew"
    )
