"""Runs set beside each other: `results` works the numbers out, `tables` prints them, `files` writes them down."""

from .files import ledger_rows, pareto_rows, to_json
from .results import Comparison, RunResult, TaskResult, compare_runs
from .tables import print_comparison, print_scores

__all__ = [
    "Comparison",
    "RunResult",
    "TaskResult",
    "compare_runs",
    "ledger_rows",
    "pareto_rows",
    "print_comparison",
    "print_scores",
    "to_json",
]
