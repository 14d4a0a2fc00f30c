"""A run's scores as text of 80 columns, in its folder: what a start ends with, and a reader without a browser sees."""

from pathlib import Path

from data_builders.shared.files import atomic_write
from evaluation.compare import Comparison
from evaluation.compare.brief import brief_lines

SCORES_TEXT = "scores.txt"


def write_scores_text(found: Comparison, folder: Path) -> None:
    """`found`: of this run alone."""
    with atomic_write(folder / SCORES_TEXT) as file:
        file.write("\n".join(brief_lines(found)) + "\n")
