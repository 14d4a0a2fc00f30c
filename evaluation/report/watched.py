"""Stages that were watched while they trained: what each look found, which one ended the stage, which was the best."""

from ..compare import Comparison
from ..ledger import known


def watched_tables(found: Comparison) -> list[dict]:
    """For each stage that was watched: {"index", "run", "stage", "limit", "looks", "best", "stopped"}; `best`: the step
    of the kept checkpoint, `stopped`: why the stage ended early, each None where there is none."""
    made = []
    for index, result in enumerate(found.runs):
        for stage in dict.fromkeys(row["stage"] for row in result.run.watched):
            looks = [row for row in result.run.watched if row["stage"] == stage]
            worth = [row for row in looks if known(row.get("worth"))]
            made.append(
                {
                    "index": index,
                    "run": result.run,
                    "stage": stage,
                    "limit": looks[0].get("limit"),
                    "looks": looks,
                    "best": max(worth, key=lambda row: (row["worth"], -row["step"]))["step"] if worth else None,
                    "stopped": next((row["stopped"] for row in looks if row.get("stopped")), None),
                }
            )
    return made
