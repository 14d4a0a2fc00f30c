"""Answers as names: a bar of outcomes for each task and checkpoint, and where exact names went."""

from ..compare import Comparison
from ..judging.recognition import EXACT, LEVEL, OUTCOMES, OWN_WORD
from ..ledger import Run, known
from ..ledger.name_moves import name_moves

WORDS = {
    "name_exact": "exact",
    "name_level": "right, too coarse",
    "sibling": "a sibling",
    "other": "another name",
    "unnamed": "no name",
}


def name_outcomes(found: Comparison) -> dict | None:
    """{"words", "tasks"}: a task is {"title", "bars", "moves"}; a bar {"index", "run", "checkpoint", "parts", "levels",
    "n"}; a move what became of the names that were exact, with all counts. None where no name was measured."""
    runs = [one.run for one in found.runs]
    tasks = []
    for task in dict.fromkeys(task for run in runs for checkpoint in run.checkpoints for task in checkpoint.tasks):
        bars = [bar for index, run in enumerate(runs) for bar in _bars(index, run, task)]
        if bars:
            moves = [_move(index, run, one) for index, run in enumerate(runs) for one in name_moves(run, task)]
            title = next(score for run in runs if (score := run.task_score(task)))["title"]
            tasks.append({"task": task, "title": title, "bars": bars, "moves": moves})
    return {"words": WORDS, "tasks": tasks} if tasks else None


def _bars(index: int, run: Run, task: str) -> list[dict]:
    bars = []
    for checkpoint in run.checkpoints:
        scores = checkpoint.tasks.get(task, {}).get("scores", [])
        parts = [one for one in scores if one["rule"] in OUTCOMES and one["metric"] == "share" and known(one["value"])]
        levels = [one for one in scores if one["rule"] == LEVEL and one["metric"] != "share" and one["value"]]
        if parts:
            told = ", ".join(f"{_level(one['metric'])} {one['value']:.1f}" for one in levels)
            bars.append(
                {"index": index, "run": run, "checkpoint": checkpoint.name, "parts": parts, "levels": told}
                | {"n": parts[0]["n"]}
            )
    return bars


def _level(metric: str) -> str:
    return "a word of its own name" if metric == OWN_WORD else metric.replace("_", " ")


def _move(index: int, run: Run, one) -> dict:
    exact = one.of(EXACT)
    table = [{"before": before, "counts": one.of(before)} for before in OUTCOMES]
    return {
        "index": index,
        "run": run,
        "before": one.before,
        "after": one.after,
        "exact": exact,
        "total": sum(exact.values()),
        "table": [row for row in table if any(row["counts"].values())],
    }
