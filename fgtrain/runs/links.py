"""Which links are broken at each checkpoint, as rows of metrics.jsonl."""

from collections.abc import Iterable
from typing import Any


def link_rows(entries: Iterable[dict]) -> list[dict[str, Any]]:
    """Rows of kind "links", by samples seen. `entries`: as in a run's links.json."""
    rows = [
        {
            "kind": "links",
            "samples_seen": checkpoint["samples_seen"],
            "checkpoint": checkpoint["name"],
            "part": one["part"],
            "task": one["task"],
            "link": link,
            "n": checkpoint["n"],
            "unit": "percent",
            **share,
        }
        for one in entries
        for checkpoint in one["checkpoints"]
        for link, share in checkpoint["shares"].items()
    ]
    return sorted(rows, key=lambda row: row["samples_seen"])
