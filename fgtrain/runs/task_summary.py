"""A run in a row of W&B's table of runs: each task's score and its change, gained and forgotten, with their ends."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.compare import RunResult
    from evaluation.ledger import Change, Estimate


def task_summary(found: "RunResult") -> dict[str, float]:
    """Name -> number: `task/<task>/score`, `task/<task>/change` since the first checkpoint, `gained`, `forgotten`, each
    change with `.../low` and `.../high`. In points; what has no number is left out."""
    from evaluation.ledger import known, primary  # brings numpy along

    summary: dict[str, float | None] = {}
    for name, one in found.tasks.items():
        score = found.run.last.tasks.get(name)
        if score is not None:
            summary[f"task/{name}/score"] = primary(score)["value"]
        if one.from_base:
            summary |= _with_ends(f"task/{name}/change", one.from_base[-1])
    for name, estimates in (("gained", found.gain), ("forgotten", found.forgetting)):
        if estimates:
            summary |= _with_ends(name, estimates[-1])
    return {name: value for name, value in summary.items() if known(value)}


def _with_ends(name: str, one: "Change | Estimate | None") -> dict[str, float | None]:
    return {} if one is None else {name: one.value, f"{name}/low": one.low, f"{name}/high": one.high}
