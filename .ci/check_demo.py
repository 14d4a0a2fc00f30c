"""The demo's figures: fine-grained skill is there when the data is mixed, general skills go when it comes alone."""

import json
import sys
from pathlib import Path

RUNS = Path("runs")
GENERAL = ("attribute", "count", "presence", "document", "chart")
AT_LEAST = {"fgbmk/drawn/species/short_answer": 60, "fgbmk/drawn/genus/choice": 95, "drawn/document": 90}  # percent
FORGOTTEN = 30  # points of the general mean


def last_scores(run: str) -> dict[str, float]:
    """Task -> percent by its primary rule, after the run's last stage."""
    tasks = json.loads((RUNS / run / "scores.json").read_text(encoding="utf-8"))["checkpoints"][-1]["tasks"]
    return {
        name: next(score["value"] for score in task["scores"] if score["rule"] == task["primary"])
        for name, task in tasks.items()
    }


def general_mean(scores: dict[str, float]) -> float:
    return sum(scores[f"drawn/{task}"] for task in GENERAL) / len(GENERAL)


def main() -> int:
    mixed, alone = last_scores("demo-mixed-s17"), last_scores("demo-alone-s17")
    checks = [(f"{task} of the mixed arm", mixed[task], least) for task, least in AT_LEAST.items()]
    lost = general_mean(mixed) - general_mean(alone)
    checks.append(("general mean, mixed minus alone", lost, FORGOTTEN))
    for what, value, least in checks:
        print(f"{'ok  ' if value >= least else 'MISS'} {what}: {value:.1f}, at least {least}")
    return int(any(value < least for _, value, least in checks))


if __name__ == "__main__":
    sys.exit(main())
