"""A run's scores as text of 80 columns, in its folder: what a start ends with, and a reader without a browser sees."""

from pathlib import Path
from typing import TYPE_CHECKING

from data_builders.shared.files import atomic_write

if TYPE_CHECKING:
    from evaluation.compare import Comparison

SCORES_TEXT = "scores.txt"


def write_scores_text(found: "Comparison", folder: Path) -> None:
    """`found`: of this run alone."""
    from evaluation.compare.brief import brief_lines  # brings numpy along, which those that only look need not

    with atomic_write(folder / SCORES_TEXT) as file:
        file.write("\n".join(brief_lines(found)) + "\n")
